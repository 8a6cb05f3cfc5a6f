#include "file_io.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "report.h"
#include "run/manifest.h"
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
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string dead = ".lemore-" + std::string(host) + "-" + std::to_string(child) + "-0.part";
  const std::string alive = ".lemore-" + std::string(host) + "-" + std::to_string(::getpid()) + "-0.part";
  for (const std::string& name : {dead, alive, std::string(".lemore-elsewhere-1-0.part"), std::string("photo.part")})
    folder.file(name);
  remove_stale_parts(folder.path());
  CHECK_FALSE(fs::exists(folder / dead));
  CHECK(entries(folder.path()) == 3);
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
  {
    Result<Manifest> manifest = Manifest::open(path, false);
    REQUIRE(manifest.ok());
    REQUIRE(manifest->write(R"({"input":"a","status":"ok"})").ok());
    REQUIRE(manifest->write(R"({"input":"b","status":"failed"})").ok());
  }
  std::ofstream(path, std::ios::app) << R"({"input":"c","sta)";  // torn by a full disk
  Result<Manifest> manifest = Manifest::open(path, true);
  REQUIRE(manifest.ok());
  CHECK(manifest->has("a"));
  CHECK_FALSE(manifest->has("b"));
  CHECK_FALSE(manifest->has("c"));
  REQUIRE(manifest->write(R"({"input":"c","status":"ok"})").ok());
  CHECK(contents(path).find("\n{\"input\":\"c\",\"status\":\"ok\"}\n") != std::string::npos);
}
