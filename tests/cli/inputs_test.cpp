#include "run/inputs.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "run/names.h"
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
  for (const char* name :
       {"a.jpg", "a.labels.png", "out/a.overlay.png", "b.overlay.png.jpg", "c.overlay.jpg", "d.labels.jpg"})
    folder.file(name);
  CHECK(relatives(expand_inputs({folder.path()}, {true, folder.path()})) ==
        Strings{"a.jpg", "b.overlay.png.jpg", "d.labels.jpg"});
  CHECK(relatives(expand_inputs({folder.path()}, {true, folder / "out"})) ==
        Strings{"a.jpg", "a.labels.png", "b.overlay.png.jpg", "c.overlay.jpg", "d.labels.jpg"});
}

TEST_CASE("pipes and the like are passed over when found, and read when named", "[inputs]") {
  const TemporaryFolder folder;
  folder.file("a.png");
  REQUIRE(::mkfifo((folder / "b.png").c_str(), 0600) == 0);
  std::filesystem::create_symlink("/dev/zero", folder / "c.png");
  std::filesystem::create_symlink("nowhere", folder / "d.png");  // told when it is read
  for (const std::string& argument : {folder.path(), folder / "*.png"}) {
    const Result<InputList> list = expand_inputs({argument}, {});
    CHECK(relatives(list) == Strings{"a.png", "d.png"});
    Strings passed_over = list->passed_over;
    std::sort(passed_over.begin(), passed_over.end());
    CHECK(passed_over == Strings{folder / "b.png: a named pipe", folder / "c.png: a device"});
  }
  CHECK(relatives(expand_inputs({folder / "b.png"}, {})) == Strings{"b.png"});
}

TEST_CASE("a list may begin with a byte order mark", "[inputs]") {
  const TemporaryFolder folder;
  const std::string photo = folder.file("a.png");
  CHECK(relatives(expand_inputs({"@" + folder.file("l.txt", "\xEF\xBB\xBF" + photo + "\n")}, {})) == Strings{"a.png"});
  CHECK_FALSE(expand_inputs({"@" + folder.file("empty.txt", "\xEF\xBB\xBF")}, {}).ok());
}

TEST_CASE("only a picture's ending is dropped from a name", "[outputs]") {
  CHECK(without_image_ending("frame.0001") == "frame.0001");
  CHECK(without_image_ending("frame.0001.png") == "frame.0001");
  CHECK(without_image_ending("sub.1/a.JPEG") == "sub.1/a");
  CHECK(without_image_ending("v1.2/x") == "v1.2/x");
  CHECK(without_image_ending(".png") == ".png");
}

TEST_CASE("no two inputs have outputs of one name", "[outputs]") {
  const auto names = [](const Strings& paths) {
    std::vector<Input> inputs;
    for (const std::string& path : paths) {
      const std::size_t slash = path.find("//");  // the folder that was given ends there
      inputs.push_back(slash == std::string::npos ? Input{path, std::filesystem::path(path).filename().string(), {}}
                                                  : Input{path, path.substr(slash + 2), {}});
    }
    name_outputs(inputs);
    Strings result;
    for (const Input& input : inputs) result.push_back(input.name);
    return result;
  };
  CHECK(names({"in/a.jpg", "b.png", "-"}) == Strings{"a", "b", "-"});
  CHECK(names({"in//sub/a.jpg", "in//a.jpg"}) == Strings{"sub/a", "a"});
  CHECK(names({"a.jpg", "a.png", "b.png"}) == Strings{"a.jpg", "a.png", "b"});
  CHECK(names({"frame.0001", "frame.0002"}) == Strings{"frame.0001", "frame.0002"});
  CHECK(names({"x/a.png", "y/a.png", "y/b.png"}) == Strings{"x/a", "y/a", "b"});
  CHECK(names({"/d/x/1/a.png", "/d/y/1/a.png"}) == Strings{"x/1/a", "y/1/a"});
  CHECK(names({"x/a.png", "x/a.jpg", "y/a.png"}) == Strings{"x/a.png", "x/a.jpg", "y/a"});
  CHECK(names({"d/a.png", "d/x/a.png"}) == Strings{"a", "x/a"});
  // Names that were made longer may clash with others in turn.
  CHECK(names({"a.jpg", "a.png", "a.jpg.png"}) == Strings{"a.jpg", "a.png", "a.jpg.png"});
  const Strings crossed = names({"/d/x/a.png", "/d/y/a.png", "/e//x/a.png"});
  CHECK(std::set<std::string>(crossed.begin(), crossed.end()).size() == 3);
  // In any order, and whichever part of the inputs is asked for, a name stays.
  CHECK(names({"y/b.png", "y/a.png", "x/a.png"}) == Strings{"b", "y/a", "x/a"});

  std::vector<Input> repeated = {{"a.png", "a.png", {}},
                                 {"./a.png", "a.png", {}},
                                 {"b/../a.png", "a.png", {}},
                                 {"-", "stdin", {}},
                                 {"b.png", "b.png", {}}};
  CHECK(remove_repeats(repeated) == Strings{"./a.png", "b/../a.png"});
  CHECK(repeated.size() == 3);
}

TEST_CASE("outputs are named", "[outputs]") {
  const OutputKinds labels = *parse_output_kinds({"labels"}), overlay = *parse_output_kinds({"overlay"});
  const OutputKinds json = *parse_output_kinds({"json"}), two = *parse_output_kinds({"overlay", "npy"});
  CHECK(labels.count() == 1);
  CHECK(two.list() == std::vector<OutputKind>{OutputKind::overlay, OutputKind::npy});
  CHECK(parse_output_kinds({"lables"}).status().message() ==
        "--emit: unknown output 'lables'; known are labels, overlay, color, confidence, json, npy");
  CHECK_FALSE(parse_output_kinds({}).ok());

  const OutputNames folder = OutputNames::in_folder("out");
  CHECK(folder.path(folder.stem("sub/x.y"), OutputKind::labels) == "out/sub/x.y.labels.png");
  CHECK(folder.path(folder.stem("x"), OutputKind::npy) == "out/x.logits.npy");
  CHECK(OutputNames::to_stdout().is_stdout());

  const auto path = [](const std::string& out, const OutputKinds& kinds, OutputKind kind) {
    const Result<OutputNames> names = OutputNames::as_file(out, kinds);
    return names.ok() ? names->path(names->stem("x"), kind) : std::string(names.status().message());
  };
  CHECK(path("to/result.bin", labels, OutputKind::labels) == "to/result.bin");
  CHECK(path("to/result.png", two, OutputKind::overlay) == "to/result.overlay.png");
  CHECK(path("to/result.png", two, OutputKind::npy) == "to/result.logits.npy");
  CHECK(path("frame.0001", two, OutputKind::npy) == "frame.0001.logits.npy");
  CHECK(path("frame.0001.png", two, OutputKind::npy) == "frame.0001.logits.npy");

  CHECK(path("x.JPG", overlay, OutputKind::overlay) == "x.JPG");
  CHECK(path("x.jpeg", two, OutputKind::overlay) == "x.overlay.jpeg");
  CHECK(path("x.jpg", two, OutputKind::npy) == "x.logits.npy");
  CHECK(path("x.jpg", labels, OutputKind::labels) ==
        "-o x.jpg: labels is written as PNG; expected a name that ends in .png");
  CHECK(path("x.png", json, OutputKind::json) ==
        "-o x.png: json is written as JSON; expected a name that ends in .json");
  CHECK(path("x.json", json, OutputKind::json) == "x.json");
  CHECK(path("x.npy", overlay, OutputKind::overlay).find("written as PNG") != std::string::npos);
  for (const OutputKinds& kinds : {overlay, two})
    CHECK(path("x.webp", kinds, OutputKind::overlay).find("PNG or JPEG") != std::string::npos);
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
