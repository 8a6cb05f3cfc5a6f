#include "weights/mapped_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <utility>

#include "lemore/tensor.h"
#include "support/files.h"
#include "support/status_checks.h"

namespace lemore {
namespace {

using test::require_error;
using test::require_ok;
using test::TempFile;

std::string text_of(const FileBytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

TEST_CASE("a file's bytes are the same mapped, read, copied and borrowed", "[mapped_file]") {
  std::string content;
  for (int i = 0; i < 100000; ++i) content += static_cast<char>(i * 31 / 7);
  const TempFile file(content);
  Result<FileBytes> mapped = FileBytes::map(file.path());
  Result<FileBytes> read = FileBytes::read(file.path(), content.size());
  Result<FileBytes> copied = FileBytes::copy(content.data(), content.size());
  const FileBytes borrowed = FileBytes::borrow(content.data(), content.size());
  require_ok(mapped);
  require_ok(read);
  require_ok(copied);
  CHECK(text_of(*mapped) == content);
  CHECK(text_of(*read) == content);
  CHECK(text_of(*copied) == content);
  CHECK(static_cast<const void*>(borrowed.data()) == content.data());
  CHECK(mapped->is_mapped());
  CHECK_FALSE(read->is_mapped());
  for (const FileBytes* bytes : {&*mapped, &*read, &*copied}) {
    CHECK(reinterpret_cast<std::uintptr_t>(bytes->data()) % k_alignment == 0);
  }

  const std::uint8_t* data = mapped->data();
  FileBytes moved = std::move(*mapped);
  CHECK(moved.data() == data);
  moved = std::move(*read);
  CHECK(text_of(moved) == content);
}

TEST_CASE("what is read stays when the file shrinks", "[mapped_file]") {
  const TempFile file(std::string(10000, 'x'));
  const Result<FileBytes> read = FileBytes::read(file.path());
  require_ok(read);
  REQUIRE(::truncate(file.path().c_str(), 0) == 0);
  CHECK(text_of(*read) == std::string(10000, 'x'));
}

TEST_CASE("files that can't be used are refused by name and reason", "[mapped_file]") {
  const TempFile empty(""), file("twelve bytes");
  const std::string missing = "/nowhere/no\nsuch.safetensors";
  const std::string pipe = file.path() + ".pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const bool copy : {false, true}) {
    const auto open = [&](const std::string& path) { return copy ? FileBytes::read(path) : FileBytes::map(path); };
    require_error(open(missing), StatusCode::io_error, {"/nowhere/no\\nsuch.safetensors", "No such file"});
    require_error(open("/tmp"), StatusCode::io_error, {"/tmp", "regular file", "a folder"});
    require_error(open("/dev/zero"), StatusCode::io_error, {"/dev/zero", "regular file"});
    require_error(open(pipe), StatusCode::io_error, {pipe, "regular file"});  // and does not wait for a writer
    require_error(open(empty.path()), StatusCode::invalid_file, {empty.path(), "empty"});
    require_error(open(""), StatusCode::io_error, {"No such file"});
  }
  ::unlink(pipe.c_str());
  require_error(FileBytes::read(file.path(), 11), StatusCode::invalid_file, {file.path(), "at most 11 bytes", "12"});
  require_ok(FileBytes::read(file.path(), 12));
}

}  // namespace
}  // namespace lemore
