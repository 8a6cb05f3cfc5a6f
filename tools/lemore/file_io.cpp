#include "file_io.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "report.h"
#include "stop.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view k_part_prefix = ".lemore-", k_part_suffix = ".part";

/// Part files of other machines are removed when they are as old as this: none takes so long to write.
constexpr std::time_t k_foreign_part_seconds = 24 * 60 * 60;

/// Largest piece that is read or written between two looks for a stop. A pipe that poll(2) calls ready takes PIPE_BUF
/// bytes without waiting.
constexpr std::size_t k_read_piece = std::size_t{4} << 20, k_pipe_piece = PIPE_BUF;

/// ".lemore-HOST-": part files of this machine begin so.
std::string part_prefix() {
  char host[65] = {};
  if (::gethostname(host, sizeof(host) - 1) != 0) std::strcpy(host, "unknown");
  for (char* c = host; *c != '\0'; ++c) {
    if (*c == '/') *c = '_';
  }
  return std::string(k_part_prefix) + host + "-";
}

bool is_part_name(std::string_view name) noexcept {
  return name.size() > k_part_prefix.size() + k_part_suffix.size() &&
         name.substr(0, k_part_prefix.size()) == k_part_prefix &&
         name.substr(name.size() - k_part_suffix.size()) == k_part_suffix;
}

/// Names of the part files that are being written, where a signal handler finds them.
struct PartSlot {
  std::atomic<bool> is_taken{false};
  std::atomic<bool> is_there{false};
  std::atomic<bool> is_opening{false};  ///< the file may come to be at any moment
  char path[PATH_MAX] = {};
};
std::array<PartSlot, 16> part_slots;
/// Set by the signal that ends the process: from then on no part file is made.
std::atomic<bool> no_more_parts{false};

PartSlot* take_slot(const std::string& path) noexcept {
  if (path.size() >= PATH_MAX) return nullptr;
  for (PartSlot& slot : part_slots) {
    if (slot.is_taken.exchange(true)) continue;
    std::memcpy(slot.path, path.c_str(), path.size() + 1);
    slot.is_opening.store(true);
    slot.is_there.store(true);
    return &slot;
  }
  return nullptr;  // more threads write than there are slots: a second signal leaves this file to the next run
}

/// A part file: made under a name that nobody else has, locked while it is open, removed unless it was renamed.
class PartFile {
 public:
  PartFile() = default;
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile() {
    if (file_.is_open()) ::unlink(path_.c_str());
    release_slot();
  }

  /// 0 or errno.
  int create(const std::string& folder) {
    static std::atomic<unsigned> counter{0};
    const std::string prefix = folder + "/" + part_prefix() + std::to_string(::getpid()) + "-";
    for (int attempts = 0; attempts < 1000; ++attempts) {
      path_ = prefix + std::to_string(counter++) + std::string(k_part_suffix);
      slot_ = take_slot(path_);
      if (no_more_parts.load()) {
        release_slot();
        return EINTR;
      }
      file_ = FileHandle(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      const int error = file_.is_open() ? 0 : errno;
      if (slot_ != nullptr) slot_->is_opening.store(false);
      // Without locks on this file system nobody else can lock the file either, and it is left alone all the same.
      const bool is_locked = error == 0 && ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
      const bool is_seized = error == 0 && !is_locked && errno == EWOULDBLOCK;
      struct stat info {};
      if (error == 0 && !is_seized && ::fstat(file_.get(), &info) == 0 && info.st_nlink > 0) return 0;
      // The name is taken (a process of another container may have our number), or another process took the file for a
      // left-over before it was locked.
      release_slot();
      file_.close();
      if (error != 0 && error != EEXIST) return error;
    }
    return EEXIST;
  }

  int descriptor() const noexcept { return file_.get(); }

  /// Gives the file its name, locked to the last, so that it can't be taken for a left-over. 0 or errno.
  int rename_to(const std::string& target) noexcept {
    // Some file systems report a full disk only when a file is closed; closing a copy keeps the lock.
    FileHandle copy(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.is_open()) return errno;
    if (const int error = copy.close(); error != 0) return error;
    if (::rename(path_.c_str(), target.c_str()) != 0) return errno;
    file_.close();
    return 0;
  }

 private:
  void release_slot() noexcept {
    if (slot_ == nullptr) return;
    slot_->is_opening.store(false);
    slot_->is_there.store(false);
    slot_->is_taken.store(false);
    slot_ = nullptr;
  }

  std::string path_;
  FileHandle file_;
  PartSlot* slot_ = nullptr;
};

std::string folder_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Status interrupted(const std::string& name) { return Status(StatusCode::cancelled, name + ": interrupted"); }

Status write_device(const std::string& path, const void* data, std::size_t size) {
  // O_NONBLOCK: opening a named pipe fails while nobody reads it, instead of waiting where no signal ends it.
  FileHandle file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  while (!file.is_open() && errno == ENXIO && !stop_requested()) {
    ::poll(nullptr, 0, 20);
    file = FileHandle(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  }
  if (!file.is_open() && errno == ENXIO) return interrupted(path);
  if (!file.is_open()) return errno_status(path, "open for writing", errno);
  int error = write_all_or_stop(file.get(), data, size);
  if (error == 0) error = file.close();
  if (error == ECANCELED) return interrupted(path);
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
    file = FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
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
  // 0 at the end, or when a stop was requested; negative for errno.
  const auto read_piece = [&](std::uint8_t* to, std::size_t size) {
    for (;;) {
      if (!wait_for(fd, POLLIN)) return ssize_t{0};
      const ssize_t n = ::read(fd, to, std::min(size, k_read_piece));
      if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
    }
  };
  bytes.resize(expected);
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) {
      // A regular file has been read as long as it was; one more byte shows whether it ends there.
      std::uint8_t more[4096];
      const ssize_t n = read_piece(more, sizeof(more));
      if (n < 0) return errno_status(name, "read", errno);
      if (n == 0) break;
      if (used + static_cast<std::size_t>(n) > max_bytes) return too_large();
      bytes.insert(bytes.end(), more, more + n);
      used = bytes.size();
      if (!S_ISREG(info.st_mode)) bytes.resize(used * 2 < max_bytes ? used * 2 : used);
      continue;
    }
    const ssize_t n = read_piece(bytes.data() + used, bytes.size() - used);
    if (n < 0) return errno_status(name, "read", errno);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  if (stop_requested()) return interrupted(name);
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

int write_all_or_stop(int fd, const void* data, std::size_t size) noexcept {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    if (!wait_for(fd, POLLOUT)) return ECANCELED;
    const ssize_t n = ::write(fd, from, std::min(size, k_pipe_piece));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
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
  PartFile part;
  int error = part.create(folder);
  if (error == ENOENT) {
    if (const Status status = make_folders(folder); !status.ok()) return status;
    error = part.create(folder);
  }
  if (error != 0) return errno_status(path, "create", error);
  error = write_all(part.descriptor(), data, size);
  if (error == 0) error = part.rename_to(target);
  return error == 0 ? Status() : errno_status(path, "write", error);
}

Status make_folders(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error)) error = std::make_error_code(std::errc::not_a_directory);
  return error ? errno_status(folder, "make the folder", error.value()) : Status();
}

Status check_writable_folder(const std::string& folder) {
  if (const Status status = make_folders(folder); !status.ok()) return status;
  const int error = PartFile().create(folder);
  return error == 0 ? Status() : errno_status(folder, "write into the folder", error);
}

void remove_stale_parts(const std::string& folder) noexcept {
  try {
    const std::string own = part_prefix();
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (!is_part_name(name)) continue;
      const FileHandle file(::open(it->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
      struct stat info {};
      if (!file.is_open() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      const bool is_own = name.compare(0, own.size(), own) == 0;
      if (!is_own && std::time(nullptr) - info.st_mtime < k_foreign_part_seconds) continue;
      if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(it->path().c_str());
    }
  } catch (...) {
    // Tidying up is a courtesy: a folder that can't be read stays as it is.
  }
}

void remove_own_parts() noexcept {
  no_more_parts.store(true);
  for (PartSlot& slot : part_slots) {
    // Another thread may be about to make this file; this one, if the signal came to it there, is not.
    for (int wait = 0; wait < 50 && slot.is_opening.load(); ++wait) ::poll(nullptr, 0, 1);
    if (slot.is_there.load()) ::unlink(slot.path);
  }
}

bool is_complete_file(const std::string& path) noexcept {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
}

bool file_stamp(const std::string& path, FileStamp& stamp) noexcept {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  stamp.bytes = static_cast<std::uint64_t>(info.st_size);
  stamp.modified_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return true;
}

bool file_id(const std::string& path, FileId& id) noexcept {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  id = FileId{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino)};
  return true;
}

}  // namespace lemore::cli
