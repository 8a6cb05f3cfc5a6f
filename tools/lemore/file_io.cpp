#include "file_io.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "report.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view k_part_prefix = ".lemore-", k_part_suffix = ".part";

/// ".lemore-HOST-": hidden files of processes on this machine begin so.
std::string part_prefix() {
  char host[65] = {};
  if (::gethostname(host, sizeof(host) - 1) != 0) std::strcpy(host, "unknown");
  for (char* c = host; *c != '\0'; ++c) {
    if (*c == '/') *c = '_';
  }
  return std::string(k_part_prefix) + host + "-";
}

/// A name in `folder` that no other process or thread uses.
std::string part_name(const std::string& folder) {
  static std::atomic<unsigned> counter{0};
  return folder + "/" + part_prefix() + std::to_string(::getpid()) + "-" + std::to_string(counter++) +
         std::string(k_part_suffix);
}

std::string folder_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Status write_device(const std::string& path, const void* data, std::size_t size) {
  FileHandle file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) return errno_status(path, "open for writing", errno);
  int error = write_all(file.get(), data, size);
  if (error == 0) error = file.close();
  return error == 0 ? Status() : errno_status(path, "write", error);
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

int FileHandle::release() noexcept { return std::exchange(fd_, -1); }

int FileHandle::close() noexcept {
  const int fd = release();
  return fd >= 0 && ::close(fd) != 0 && errno != EINTR ? errno : 0;
}

Status read_file(const std::string& path, std::vector<std::uint8_t>& bytes, std::size_t max_bytes) {
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "standard input" : path;
  FileHandle file;
  if (!is_stdin) {
    file = FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) return errno_status(name, "open", errno);
  }
  const int fd = is_stdin ? STDIN_FILENO : file.get();
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_status(name, "read", errno);
  if (S_ISDIR(info.st_mode)) return errno_status(name, "read", EISDIR);
  const auto too_large = [&] {
    return Status(StatusCode::io_error, name + ": larger than " + std::to_string(max_bytes >> 20) + " MiB");
  };
  std::size_t expected = 0;
  if (S_ISREG(info.st_mode)) {
    if (static_cast<std::uint64_t>(info.st_size) > max_bytes) return too_large();
    expected = static_cast<std::size_t>(info.st_size);
  }
  bytes.resize(expected);
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) {
      // A regular file has been read as long as it was; one more byte shows whether it ends there.
      std::uint8_t more[4096];
      const ssize_t n = ::read(fd, more, sizeof(more));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_status(name, "read", errno);
      if (n == 0) break;
      if (used + static_cast<std::size_t>(n) > max_bytes) return too_large();
      bytes.insert(bytes.end(), more, more + n);
      used = bytes.size();
      if (!S_ISREG(info.st_mode)) bytes.resize(used * 2 < max_bytes ? used * 2 : used);
      continue;
    }
    const ssize_t n = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(name, "read", errno);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  bytes.resize(used);
  return Status();
}

int write_all(int fd, const void* data, std::size_t size) noexcept {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENOSPC;
    from += n;
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

Status write_file_atomic(const std::string& path, const void* data, std::size_t size) {
  struct stat info {};
  std::string target = path;
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return errno_status(path, "write", EISDIR);
    if (!S_ISREG(info.st_mode)) return write_device(path, data, size);
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (!error) target = real.string();
  }
  const std::string folder = folder_of(target);
  std::string part = part_name(folder);
  FileHandle file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open() && errno == ENOENT) {
    if (const Status status = make_folders(folder); !status.ok()) return status;
    file = FileHandle(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  }
  if (!file.is_open()) return errno_status(path, "create", errno);
  int error = write_all(file.get(), data, size);
  if (const int at_close = file.close(); error == 0) error = at_close;
  if (error == 0 && ::rename(part.c_str(), target.c_str()) != 0) error = errno;
  if (error == 0) return Status();
  ::unlink(part.c_str());
  return errno_status(path, "write", error);
}

Status make_folders(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error)) error = std::make_error_code(std::errc::not_a_directory);
  return error ? errno_status(folder, "make the folder", error.value()) : Status();
}

Status check_writable_folder(const std::string& folder) {
  if (const Status status = make_folders(folder); !status.ok()) return status;
  const std::string part = part_name(folder);
  FileHandle file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open()) return errno_status(folder, "write into the folder", errno);
  ::unlink(part.c_str());
  return Status();
}

void remove_stale_parts(const std::string& folder) noexcept {
  try {
    const std::string prefix = part_prefix();
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (name.size() <= prefix.size() + k_part_suffix.size() || name.compare(0, prefix.size(), prefix) != 0) continue;
      if (name.compare(name.size() - k_part_suffix.size(), k_part_suffix.size(), k_part_suffix) != 0) continue;
      const long pid = std::strtol(name.c_str() + prefix.size(), nullptr, 10);
      if (pid <= 0 || pid > INT_MAX) continue;
      if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) ::unlink(it->path().c_str());
    }
  } catch (...) {
    // Tidying up is a courtesy: a folder that can't be read stays as it is.
  }
}

bool is_complete_file(const std::string& path) noexcept {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
}

bool file_id(const std::string& path, FileId& id) noexcept {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  id = FileId{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
  return true;
}

}  // namespace lemore::cli
