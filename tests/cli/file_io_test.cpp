#include "file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "report.h"
#include "run/manifest.h"
#include "run/output_kinds.h"
#include "run/resume.h"
#include "support/temporary_folder.h"

using namespace lemore;
using namespace lemore::cli;
namespace fs = std::filesystem;

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::ptrdiff_t entries(const std::string& folder) { return std::distance(fs::directory_iterator(folder), {}); }

}  // namespace

TEST_CASE("files are written as a whole or not at all", "[file]") {
  const TemporaryFolder folder;
  SECTION("new, in folders that are missing") {
    REQUIRE(write_file_atomic(folder / "a/b/c.txt", "hello", 5).ok());
    CHECK(contents(folder / "a/b/c.txt") == "hello");
    CHECK(entries(folder / "a/b") == 1);
  }
  SECTION("over another, through a link") {
    folder.file("real.txt", "old");
    fs::create_symlink("real.txt", folder / "link.txt");
    REQUIRE(write_file_atomic(folder / "link.txt", "new", 3).ok());
    CHECK(fs::is_symlink(folder / "link.txt"));
    CHECK(contents(folder / "real.txt") == "new");
  }
  SECTION("a device that is full") {
    const Status status = write_file_atomic("/dev/full", "hello", 5);
    CHECK(status.message() == "/dev/full: cannot write: No space left on device");
    CHECK(fs::is_character_file("/dev/full"));
  }
  SECTION("onto a folder") {
    fs::create_directory(folder / "sub");
    CHECK(write_file_atomic(folder / "sub", "x", 1).message() == folder / "sub" + ": cannot write: Is a directory");
    CHECK(entries(folder.path()) == 1);
  }
  SECTION("below a file") {
    folder.file("file");
    CHECK_FALSE(write_file_atomic(folder / "file/x", "x", 1).ok());
    CHECK_FALSE(check_writable_folder(folder / "file").ok());
  }
  SECTION("nothing stays behind after a check") {
    REQUIRE(check_writable_folder(folder / "new").ok());
    CHECK(entries(folder / "new") == 0);
  }
}

TEST_CASE("what a killed process left is cleared away, and only that", "[file]") {
  const TemporaryFolder folder;
  char host[65] = {};
  REQUIRE(::gethostname(host, sizeof(host) - 1) == 0);
  const std::string own = ".lemore-" + std::string(host) + "-1-";  // any process, of any container
  const std::string dead = folder.file(own + "0.part"), alive = folder.file(own + "1.part");
  folder.file(own + "x");
  folder.file("photo.part");
  const std::string fresh = folder.file(".lemore-elsewhere-1-0.part"), old = folder.file(".lemore-elsewhere-1-1.part");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(25));
  const FileHandle writer(::open(alive.c_str(), O_WRONLY));
  REQUIRE(::flock(writer.get(), LOCK_EX) == 0);
  remove_stale_parts(folder.path());
  CHECK_FALSE(fs::exists(dead));
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::exists(alive));
  CHECK(fs::exists(fresh));
  CHECK(entries(folder.path()) == 4);
}

TEST_CASE("a part file is not cleared away while it is written", "[file]") {
  const TemporaryFolder folder;
  std::atomic<bool> is_done{false};
  std::thread other([&] {
    while (!is_done) remove_stale_parts(folder.path());
  });
  const std::string bytes(1000, 'x');
  int failures = 0;
  for (int i = 0; i < 300; ++i) failures += !write_file_atomic(folder / "file", bytes.data(), bytes.size()).ok();
  is_done = true;
  other.join();
  CHECK(failures == 0);
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a part file's name that is taken is not used", "[file]") {
  const TemporaryFolder folder;
  REQUIRE(write_file_atomic(folder / "first", "x", 1).ok());
  // Another container's process has our number: whatever name comes next is there already.
  char host[65] = {};
  REQUIRE(::gethostname(host, sizeof(host) - 1) == 0);
  for (int i = 0; i < 900; ++i)
    folder.file(".lemore-" + std::string(host) + "-" + std::to_string(::getpid()) + "-" + std::to_string(i) + ".part");
  CHECK(write_file_atomic(folder / "second", "y", 1).ok());
}

TEST_CASE("reading", "[file]") {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> bytes;
  REQUIRE(read_file(folder.file("a", std::string(100000, 'z')), bytes, 1 << 20).ok());
  CHECK(bytes.size() == 100000);
  REQUIRE(read_file(folder.file("empty", ""), bytes, 1 << 20).ok());
  CHECK(bytes.empty());
  CHECK(read_file(folder / "missing", bytes, 10).message() ==
        folder / "missing" + ": cannot open: No such file or directory");
  CHECK(read_file(folder.path(), bytes, 10).message() == folder.path() + ": cannot read: Is a directory");
  CHECK_FALSE(read_file(folder / "a", bytes, 99999).ok());
}

TEST_CASE("error messages are one line", "[file]") {
  CHECK(one_line("a\nb\x1B[31m") == "a\\nb\\x1B[31m");
  CHECK(about("x.jpg", Status(StatusCode::invalid_file, "broken")).message() == "x.jpg: broken");
  CHECK(about("x.jpg", Status(StatusCode::invalid_file, "x.jpg: broken")).message() == "x.jpg: broken");
}

TEST_CASE("a manifest is gone on with", "[file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "m.jsonl";
  const MadeWith mine{"hash", "mode=whole"};
  {
    Result<Manifest> manifest = Manifest::open(path, false, mine);
    REQUIRE(manifest.ok());
    for (const char* line : {R"({"input":"a","status":"ok"})", R"({"input":"b","status":"failed"})",
                             R"({"input":"d","status":"ok"})", R"({"input":"d","status":"failed"})", "[]", "no JSON"})
      REQUIRE(manifest->write(std::string(line) + "\n").ok());
  }
  std::ofstream(path, std::ios::app) << R"({"input":"c","sta)";  // torn by a full disk
  Result<Manifest> manifest = Manifest::open(path, true, mine);
  REQUIRE(manifest.ok());
  REQUIRE(manifest->find("a") != nullptr);
  CHECK_FALSE(manifest->find("a")->made_with.has_value());
  CHECK_FALSE(manifest->is_complete());
  for (const char* input : {"b", "c", "d"}) CHECK(manifest->find(input) == nullptr);
  const std::string line = R"({"input":"c","status":"ok","model":"hash","options":"mode=whole","bytes":1,)";
  REQUIRE(manifest->write(line + "\"modified_ns\":2}\n").ok());
  CHECK(contents(path).find("\n{\"input\":\"c\",\"status\":\"ok\",") != std::string::npos);

  manifest = Manifest::open(path, true, mine);
  REQUIRE(manifest.ok());
  CHECK(manifest->is_complete());
  REQUIRE(manifest->find("c") != nullptr);
  CHECK(*manifest->find("c")->made_with == mine);
  CHECK(*manifest->find("c")->image == FileStamp{1, 2});
}

TEST_CASE("a resumed run tells what is out of date", "[file]") {
  const TemporaryFolder folder;
  const Input input{folder.file("a.png", "photo"), "a.png", "a"};
  const OutputKinds kinds = *parse_output_kinds({"labels", "json"});
  const OutputNames names = OutputNames::in_folder(folder / "out");
  const MadeWith mine{"hash", "mode=whole"};
  const auto open = [&](const std::string& lines) { return Manifest::open(folder.file("m.jsonl", lines), true, mine); };
  const auto found_with = [&](const std::string& lines) {
    const Result<Manifest> manifest = open(lines);
    REQUIRE(manifest.ok());
    return find_outputs(input, names, kinds, &*manifest);
  };
  const auto line = [](const std::string& input_path, const std::string& model, const std::string& options,
                       const FileStamp& stamp) {
    return "{\"input\":\"" + input_path + "\",\"status\":\"ok\",\"model\":\"" + model + "\",\"options\":\"" + options +
           "\",\"bytes\":" + std::to_string(stamp.bytes) + ",\"modified_ns\":" + std::to_string(stamp.modified_ns) +
           "}\n";
  };
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::nothing);
  folder.file("out/a.labels.png");
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::nothing);
  folder.file("out/a.json", "");
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::nothing);
  folder.file("out/a.json");
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::done);
  CHECK(find_outputs(input, OutputNames::to_stdout(), kinds, nullptr) == Found::nothing);

  FileStamp stamp;
  REQUIRE(file_stamp(input.path, stamp));
  CHECK(found_with("") == Found::done);
  CHECK(found_with(line(input.path, "hash", "mode=whole", stamp)) == Found::done);
  CHECK(found_with(line(input.path, "other", "mode=whole", stamp)) == Found::of_other_model);
  CHECK(found_with(line(input.path, "hash", "mode=keep", stamp)) == Found::of_other_options);
  // Another input's line shows that the manifest was kept, and that this one was not finished.
  CHECK(found_with(line("b.png", "hash", "mode=whole", stamp)) == Found::nothing);

  const Result<Manifest> manifest = open(line(input.path, "hash", "mode=whole", stamp));
  fs::last_write_time(input.path, fs::last_write_time(input.path) - std::chrono::hours(1));  // an older photograph
  CHECK(find_outputs(input, names, kinds, &*manifest) == Found::of_other_image);
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::done);
  fs::last_write_time(input.path, fs::last_write_time(input.path) + std::chrono::hours(2));  // a newer one
  CHECK(find_outputs(input, names, kinds, &*manifest) == Found::of_other_image);
  CHECK(find_outputs(input, names, kinds, nullptr) == Found::of_other_image);
}

TEST_CASE("files are told apart by their hash", "[file]") {
  const TemporaryFolder folder;
  const std::string a = *hash_file(folder.file("a", "hello")), b = *hash_file(folder.file("b", "hellp"));
  CHECK(a == "a430d84680aabd0b-5");  // FNV-1a's published value
  CHECK(a != b);
  CHECK(a == *hash_file(folder.file("c", "hello")));
  CHECK_FALSE(hash_file(folder / "missing").ok());
}
