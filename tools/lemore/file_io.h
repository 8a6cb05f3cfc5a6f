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

/// Reads all of `path` ("-": standard input) into `bytes`, whose memory is used again. Waits where a pipe or a terminal
/// has nothing to read yet, until a stop is requested (stop.h).
/// Errors    io_error (also for a folder, or more than `max_bytes`); cancelled by a stop. The message begins with the
///           name.
Status read_file(const std::string& path, std::vector<std::uint8_t>& bytes, std::size_t max_bytes);

/// Writes all bytes to a descriptor; 0 or errno.
int write_all(int fd, const void* data, std::size_t size) noexcept;

/// As write_all, but a pipe that nobody reads is waited for only until a stop is requested: ECANCELED then.
int write_all_or_stop(int fd, const void* data, std::size_t size) noexcept;

/// Writes a file so that its name never stands for half of it: the bytes go to a hidden file in the same folder, a part
/// file, which is renamed at the end and removed on any failure. Missing folders are made. A name that is a device or a
/// pipe is written directly; through a symbolic link the file it points to is replaced.
/// Errors    io_error naming the path; cancelled where a stop was requested while a pipe was waited for.
Status write_file_atomic(const std::string& path, const void* data, std::size_t size);

/// Makes `folder` and the folders above it. Errors: io_error naming it.
Status make_folders(const std::string& folder);

/// Makes `folder` and checks, by making a hidden file in it, that files can be written there.
Status check_writable_folder(const std::string& folder);

/// Removes part files that processes left in `folder` when they were killed. A part file is locked while it is written,
/// so that of a live process is never touched, in whatever container it runs; those of other machines, where a lock may
/// not be seen, are removed when they are a day old.
void remove_stale_parts(const std::string& folder) noexcept;

/// Removes the part files that this process is writing. May be called from a signal handler, before the process ends.
void remove_own_parts() noexcept;

/// True when `path` is a regular file that is not empty: written by write_file_atomic, it is complete.
bool is_complete_file(const std::string& path) noexcept;

/// Size and time of last change of a regular file: another stamp, another content.
struct FileStamp {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  ///< since 1970

  bool operator==(const FileStamp& o) const noexcept { return bytes == o.bytes && modified_ns == o.modified_ns; }
};
/// False where there is no regular file of this name.
bool file_stamp(const std::string& path, FileStamp& stamp) noexcept;

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
