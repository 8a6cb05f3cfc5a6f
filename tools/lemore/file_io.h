#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lemore/status.h"

namespace lemore::cli {

/// A file descriptor that is closed at the end. Move-only.
class FileHandle {
 public:
  explicit FileHandle(int fd = -1) noexcept : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(other.release()) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle() { close(); }

  int get() const noexcept { return fd_; }
  bool is_open() const noexcept { return fd_ >= 0; }
  int release() noexcept;
  /// 0, or errno of close(2): some file systems report a full disk only here.
  int close() noexcept;

 private:
  int fd_;
};

/// Reads all of `path` ("-": standard input) into `bytes`, whose memory is used again.
/// Errors    io_error (also a folder, or more than `max_bytes`). The message begins with the name.
Status read_file(const std::string& path, std::vector<std::uint8_t>& bytes, std::size_t max_bytes);

/// Writes all bytes to a descriptor; 0 or errno.
int write_all(int fd, const void* data, std::size_t size) noexcept;

/// Writes a file so that its name never stands for half of it: the bytes go to a hidden file in the same folder, which
/// is renamed at the end and removed on any failure. Missing folders are made. A name that is a device or a pipe is
/// written directly; through a symbolic link the file it points to is replaced.
/// Errors    io_error naming the path.
Status write_file_atomic(const std::string& path, const void* data, std::size_t size);

/// Makes `folder` and the folders above it. Errors: io_error naming it.
Status make_folders(const std::string& folder);

/// Makes `folder` and checks, by making a hidden file in it, that files can be written there.
Status check_writable_folder(const std::string& folder);

/// Removes hidden files that write_file_atomic of a process on this machine left in `folder` when it was killed.
void remove_stale_parts(const std::string& folder) noexcept;

/// True when `path` is a regular file that is not empty: written by write_file_atomic, it is complete.
bool is_complete_file(const std::string& path) noexcept;

/// Which file a name stands for, to see whether two names are the same file. False when there is none.
struct FileId {
  std::uint64_t device = 0, inode = 0;
  bool operator==(const FileId& o) const noexcept { return device == o.device && inode == o.inode; }
};
struct FileIdHash {
  std::size_t operator()(const FileId& id) const noexcept {
    return static_cast<std::size_t>(id.inode * 0x9E3779B97F4A7C15u ^ id.device);
  }
};
bool file_id(const std::string& path, FileId& id) noexcept;

}  // namespace lemore::cli
