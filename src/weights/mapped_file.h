#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "lemore/status.h"

namespace lemore {

/// The bytes of a file, mapped or read into memory, or bytes somebody else owns. Movable; the bytes do not move with
/// it.
///
/// A mapped file must not be truncated by another process while it is in use: the process would receive SIGBUS. What is
/// read can't change any more.
class FileBytes {
 public:
  FileBytes() = default;
  FileBytes(FileBytes&& other) noexcept;
  FileBytes& operator=(FileBytes&& other) noexcept;
  ~FileBytes();

  /// Maps a regular file read-only.
  /// Errors    io_error (the system's words; also unless it is a regular file), invalid_file when it is empty.
  static Result<FileBytes> map(const std::string& path);
  /// Reads a regular file into memory aligned to k_alignment.
  /// Errors    as map; invalid_file beyond `max_bytes`; out_of_memory.
  static Result<FileBytes> read(const std::string& path, std::uint64_t max_bytes = UINT64_MAX);
  /// A copy of `size` bytes, aligned to k_alignment. Errors: out_of_memory.
  static Result<FileBytes> copy(const void* data, std::size_t size);
  /// Bytes that the caller keeps alive.
  static FileBytes borrow(const void* data, std::size_t size) noexcept;

  const std::uint8_t* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool is_mapped() const noexcept { return owner_ == Owner::mapping; }

 private:
  enum class Owner : std::uint8_t { nobody, mapping, heap };
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  Owner owner_ = Owner::nobody;
};

}  // namespace lemore
