#include "run/inputs.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "run/output_kinds.h"
#include "run/shard.h"
#include "support/temporary_folder.h"

using namespace lemore;
using namespace lemore::cli;
using Strings = std::vector<std::string>;

namespace {

Strings relatives(const Result<InputList>& list) {
  Strings names;
  if (list.ok()) {
    for (const Input& input : list->inputs) names.push_back(input.relative);
  }
  return names;
}

}  // namespace

TEST_CASE("inputs are found, sorted and named", "[inputs]") {
  const TemporaryFolder folder;
  for (const char* name : {"b.JPG", "a.png", "notes.txt", ".hidden.jpg", "sub/c.jpeg", "sub/deep/d.bmp", "x[1].jpg"})
    folder.file(name);
  const auto expand = [&](const Strings& arguments, bool recursive = false) {
    return expand_inputs(arguments, InputOptions{recursive, {}});
  };
  CHECK(relatives(expand({folder.path()})) == Strings{"a.png", "b.JPG", "x[1].jpg"});
  CHECK(relatives(expand({folder.path()}, true)) ==
        Strings{"a.png", "b.JPG", "sub/c.jpeg", "sub/deep/d.bmp", "x[1].jpg"});
  CHECK(relatives(expand({folder / "*.png"})) == Strings{"a.png"});
  CHECK(relatives(expand({folder / "s*"}, true)) == Strings{"c.jpeg", "deep/d.bmp"});
  CHECK(relatives(expand({folder / "x[1].jpg"})) == Strings{"x[1].jpg"});
  const std::string list =
      folder.file("list.txt", "# photos\r\n" + folder / "a.png" + "\r\n\n" + folder / "sub/*.jpeg");
  CHECK(relatives(expand({"@" + list})) == Strings{"a.png", "c.jpeg"});

  CHECK(expand({folder / "a.png"})->single);
  CHECK(expand({"-"})->single);
  CHECK(expand({"missing.jpg"})->single);
  CHECK_FALSE(expand({folder / "*.png"})->single);
  CHECK_FALSE(expand({"@" + list})->single);
  CHECK_FALSE(expand({folder / "sub"})->single);
  CHECK_FALSE(expand({folder / "a.png", folder / "b.JPG"})->single);

  CHECK(expand({folder / "*.nothing"}).status().message() == folder / "*.nothing: no file matches");
  std::filesystem::create_directory(folder / "empty");
  CHECK(expand({folder / "empty"}).status().message() == folder / "empty: the folder holds no image");
  CHECK_FALSE(expand({"@" + folder / "missing"}).ok());
  CHECK_FALSE(expand({"-", "-"}).ok());
}

TEST_CASE("our own pictures are not inputs again", "[inputs]") {
  const TemporaryFolder folder;
  for (const char* name : {"a.jpg", "a.labels.png", "out/a.overlay.png", "b.overlay.png.jpg"}) folder.file(name);
  CHECK(relatives(expand_inputs({folder.path()}, {true, folder.path()})) == Strings{"a.jpg", "b.overlay.png.jpg"});
  CHECK(relatives(expand_inputs({folder.path()}, {true, folder / "out"})) ==
        Strings{"a.jpg", "a.labels.png", "b.overlay.png.jpg"});
}

TEST_CASE("outputs are named", "[outputs]") {
  OutputKinds one = *parse_output_kinds({"labels"}), two = *parse_output_kinds({"overlay", "npy"});
  CHECK(one.count() == 1);
  CHECK(two.list() == std::vector<OutputKind>{OutputKind::overlay, OutputKind::npy});
  CHECK(parse_output_kinds({"lables"}).status().message() ==
        "--emit: unknown output 'lables'; known are labels, overlay, color, confidence, json, npy");
  CHECK_FALSE(parse_output_kinds({}).ok());

  const OutputNames folder = OutputNames::in_folder("out");
  CHECK(folder.path(folder.stem("sub/x.y.jpg"), OutputKind::labels) == "out/sub/x.y.labels.png");
  CHECK(folder.path(folder.stem("x"), OutputKind::npy) == "out/x.logits.npy");
  const OutputNames exact = OutputNames::as_file("to/result.bin", one);
  CHECK(exact.path(exact.stem("x.jpg"), OutputKind::labels) == "to/result.bin");
  const OutputNames several = OutputNames::as_file("to/result.png", two);
  CHECK(several.path(several.stem("x.jpg"), OutputKind::overlay) == "to/result.overlay.png");
  CHECK(several.path(several.stem("x.jpg"), OutputKind::npy) == "to/result.logits.npy");
  CHECK(OutputNames::to_stdout().is_stdout());
}

TEST_CASE("shards", "[shard]") {
  std::map<std::string, std::string> variables;
  const Environment environment = [&](const char* name) {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  };
  const auto shard = [&](const std::string& text) { return parse_shard(text, environment); };
  const auto is = [&](const std::string& text, std::size_t index, std::size_t count) {
    const Result<Shard> parsed = shard(text);
    INFO(text << " " << parsed.status().message());
    return parsed.ok() && parsed->index == index && parsed->count == count;
  };
  CHECK(is("0/3", 0, 3));
  CHECK(is("2/3", 2, 3));
  CHECK(is("3/3", 0, 3));
  for (const char* bad :
       {"4/3", "1/0", "1", "/", "1/", "/3", "-1/3", "a/3", "1/3/5", "", "auto/", "auto/x", "99999999999999999999/3"}) {
    INFO(bad);
    CHECK_FALSE(shard(bad).ok());
  }
  CHECK_FALSE(shard("auto").ok());

  variables = {{"SLURM_ARRAY_TASK_ID", "7"}, {"SLURM_ARRAY_TASK_COUNT", "4"}, {"SLURM_ARRAY_TASK_MIN", "5"}};
  CHECK(is("auto", 2, 4));
  variables["SLURM_ARRAY_TASK_ID"] = "9";
  CHECK_FALSE(shard("auto").ok());
  variables["SLURM_ARRAY_TASK_STEP"] = "2";
  CHECK(is("auto", 2, 4));
  variables["SLURM_ARRAY_TASK_ID"] = "x";
  CHECK_FALSE(shard("auto").ok());
  variables = {{"JOB_COMPLETION_INDEX", "3"}};
  CHECK_FALSE(shard("auto").ok());
  CHECK(is("auto/5", 3, 5));
  CHECK_FALSE(shard("auto/3").ok());
  variables["JOB_COMPLETIONS"] = "4";
  CHECK(is("auto", 3, 4));

  // Counting from 0 or from 1, every place is in exactly one part.
  for (const std::size_t first : {std::size_t{0}, std::size_t{1}}) {
    std::vector<int> visits(20);
    for (std::size_t i = first; i < first + 3; ++i) {
      for (std::size_t place = 0; place < visits.size(); ++place)
        visits[place] += shard(std::to_string(i) + "/3")->has(place);
    }
    CHECK(visits == std::vector<int>(20, 1));
  }
}
