#include "weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "core/text.h"
#include "lemore/tensor.h"

namespace lemore {
namespace {

/// An open file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Status system_error(const std::string& path, const char* doing, int error) {
  return make_error(StatusCode::io_error, {printable(path, k_message_path), ": ", doing, ": ", errno_text(error)});
}

/// Opens a regular file of at least one byte and at most max_bytes. O_NONBLOCK, so that a pipe does not make us wait.
Result<std::size_t> open_regular(const std::string& path, const Descriptor& file, int open_error,
                                 std::uint64_t max_bytes) {
  if (file.get() < 0) return system_error(path, "cannot open", open_error);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error(path, "cannot examine", errno);
  const std::string name = printable(path, k_message_path);
  if (!S_ISREG(info.st_mode)) {
    return make_error(StatusCode::io_error,
                      {name, ": expected a regular file, got ", S_ISDIR(info.st_mode) ? "a folder" : "something else"});
  }
  if (info.st_size <= 0) return make_error(StatusCode::invalid_file, {name, ": the file is empty"});
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > max_bytes || size > std::numeric_limits<std::size_t>::max() / 2) {
    return make_error(StatusCode::invalid_file,
                      {name, ": expected at most ", max_bytes, " bytes, got a file of ", size});
  }
  return static_cast<std::size_t>(size);
}

constexpr int k_open_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

void* allocate(std::size_t size) {
  return std::aligned_alloc(k_alignment, (size + k_alignment - 1) / k_alignment * k_alignment);
}

Status no_memory(const std::string& what, std::size_t size) {
  return make_error(StatusCode::out_of_memory, {what, ": no memory for its ", size, " bytes"});
}

}  // namespace

FileBytes::FileBytes(FileBytes&& other) noexcept { *this = std::move(other); }

FileBytes& FileBytes::operator=(FileBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(owner_, other.owner_);
  return *this;
}

FileBytes::~FileBytes() {
  if (owner_ == Owner::mapping) ::munmap(const_cast<std::uint8_t*>(data_), size_);
  if (owner_ == Owner::heap) std::free(const_cast<std::uint8_t*>(data_));
}

Result<FileBytes> FileBytes::map(const std::string& path) {
  const Descriptor file(::open(path.c_str(), k_open_flags));
  const Result<std::size_t> size = open_regular(path, file, errno, UINT64_MAX);
  if (!size.ok()) return size.status();
  void* data = ::mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return system_error(path, "cannot map", errno);
  FileBytes bytes;
  bytes.data_ = static_cast<const std::uint8_t*>(data);
  bytes.size_ = *size;
  bytes.owner_ = Owner::mapping;
  return bytes;
}

Result<FileBytes> FileBytes::read(const std::string& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), k_open_flags));
  const Result<std::size_t> size = open_regular(path, file, errno, max_bytes);
  if (!size.ok()) return size.status();
  auto* data = static_cast<std::uint8_t*>(allocate(*size));
  if (data == nullptr) return no_memory(printable(path, k_message_path), *size);
  FileBytes bytes;
  bytes.data_ = data;
  bytes.size_ = *size;
  bytes.owner_ = Owner::heap;
  for (std::size_t done = 0; done < *size;) {
    const ssize_t got = ::read(file.get(), data + done, *size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read", errno);
    if (got == 0) {
      return make_error(StatusCode::io_error,
                        {printable(path, k_message_path), ": the file shrank while it was read: expected ", *size,
                         " bytes, got ", done});
    }
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<FileBytes> FileBytes::copy(const void* data, std::size_t size) {
  if (size == 0) return FileBytes();
  void* memory = size > std::numeric_limits<std::size_t>::max() / 2 ? nullptr : allocate(size);
  if (memory == nullptr) return no_memory("a copy of a file", size);
  std::memcpy(memory, data, size);
  FileBytes bytes;
  bytes.data_ = static_cast<const std::uint8_t*>(memory);
  bytes.size_ = size;
  bytes.owner_ = Owner::heap;
  return bytes;
}

FileBytes FileBytes::borrow(const void* data, std::size_t size) noexcept {
  FileBytes bytes;
  bytes.data_ = static_cast<const std::uint8_t*>(data);
  bytes.size_ = size;
  return bytes;
}

}  // namespace lemore
