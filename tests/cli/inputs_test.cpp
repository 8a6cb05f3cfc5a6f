#include "run/inputs.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
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
  using Variables = std::map<std::string, std::string>;
  Variables variables;
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
  /// Refused, with a message that says `says`.
  const auto refuses = [&](const std::string& text, const std::string& says) {
    const std::string message(shard(text).status().message());
    INFO(message);
    return !shard(text).ok() && message.find(says) != std::string::npos;
  };
  const auto array = [](int id, int min, int max, int count) {
    return Variables{{"SLURM_ARRAY_TASK_ID", std::to_string(id)},
                     {"SLURM_ARRAY_TASK_MIN", std::to_string(min)},
                     {"SLURM_ARRAY_TASK_MAX", std::to_string(max)},
                     {"SLURM_ARRAY_TASK_COUNT", std::to_string(count)},
                     {"SLURM_ARRAY_TASK_STEP", "1"}};
  };

  SECTION("written out") {
    CHECK(is("0/3", 0, 3));
    CHECK(is("2/3", 2, 3));
    CHECK(refuses("3/3", "expected 0/3 to 2/3"));
    for (const char* bad : {"4/3", "1/0", "1", "/", "1/", "/3", "-1/3", "a/3", "1/3/5", "", "auto/", "auto/x",
                            "99999999999999999999/3"}) {
      INFO(bad);
      CHECK_FALSE(shard(bad).ok());
    }
    for (const char* text : {"auto", "auto/3"}) CHECK(refuses(text, "write --shard I/N"));
  }
  SECTION("any array of N consecutive ids visits every part once") {
    for (const int first : {0, 1, 5, 1000}) {
      std::vector<int> visits(4);
      for (int id = first; id < first + 4; ++id) {
        variables = array(id, first, first + 3, 4);
        const Result<Shard> part = shard("auto/4");
        REQUIRE(part.ok());
        ++visits[part->index];
        if (first < 2) CHECK(is("auto", part->index, 4));
        // Alone, with its neighbour, or with the ends of the array: the part stays.
        for (const auto& [from, to, count] : {std::tuple{id, id, 1}, {first, id, 2}, {first, first + 3, 3}}) {
          variables = array(id, from, to, count);
          CHECK(is("auto/4", part->index, 4));
        }
      }
      CHECK(visits == std::vector<int>(4, 1));
    }
  }
  SECTION("what an array cannot say is refused") {
    variables = array(7, 0, 7, 8);
    CHECK(refuses("auto/4", "more than 4 parts"));
    variables = array(3, 3, 3, 1);
    CHECK(refuses("auto", "auto/N"));  // one task, submitted again
    variables = array(3, 1, 3, 2);
    CHECK(refuses("auto", "auto/N"));  // tasks 1 and 3 of more
    variables = array(3, 2, 3, 2);
    CHECK(refuses("auto", "auto/N"));  // tasks 2 and 3 of more
    variables = array(4, 0, 6, 4);
    variables["SLURM_ARRAY_TASK_STEP"] = "2";
    CHECK(refuses("auto", "--shard I/N"));
    CHECK(refuses("auto/4", "--shard I/N"));
    variables = array(9, 1, 4, 4);
    CHECK_FALSE(shard("auto/4").ok());
    variables = array(2, 1, 4, 4);
    variables["SLURM_PROCID"] = "1";
    CHECK(refuses("auto/4", "--shard I/N"));
    variables = array(2, 1, 4, 4);
    variables["SLURM_ARRAY_TASK_MAX"] = "x";
    CHECK(refuses("auto/4", "'x', not a number"));
  }
  SECTION("srun") {
    variables = {{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "5"}};
    CHECK(is("auto", 2, 5));
    CHECK(is("auto/5", 2, 5));
    CHECK(refuses("auto/4", "SLURM_NTASKS"));
    variables["SLURM_JOB_ID"] = "77";
    CHECK(refuses("auto", "srun"));  // the batch script itself
    variables["SLURM_STEP_ID"] = "0";
    CHECK(is("auto", 2, 5));
    variables["SLURM_PROCID"] = "5";
    CHECK_FALSE(shard("auto").ok());
  }
  SECTION("Kubernetes") {
    variables = {{"JOB_COMPLETION_INDEX", "3"}};
    CHECK(refuses("auto", "auto/N"));
    CHECK(is("auto/5", 3, 5));
    CHECK_FALSE(shard("auto/3").ok());
    variables["JOB_COMPLETIONS"] = "4";
    CHECK(is("auto", 3, 4));
    CHECK(refuses("auto/5", "JOB_COMPLETIONS"));
  }
}
