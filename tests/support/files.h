#pragma once

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace lemore::test {

/// A file of its own for one test, removed at the end.
class TempFile {
 public:
  explicit TempFile(const std::string& bytes, const std::string& suffix = ".safetensors") {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder ? folder : "/tmp") + "/lemore-test-XXXXXX" + suffix;
    const int fd = ::mkstemps(&path_[0], static_cast<int>(suffix.size()));
    if (fd >= 0) ::close(fd);
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { ::unlink(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A file's bytes; empty when it can't be read.
inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The folder with further recorded networks and malformed files, which are not part of the project; empty if there is
/// none. Tests that need it are skipped then.
inline std::string data_folder() {
  const char* folder = std::getenv("LEMORE_TEST_DATA");
  return folder ? folder : "";
}

}  // namespace lemore::test
