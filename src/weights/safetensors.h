#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lemore/status.h"
#include "lemore/tensor.h"
#include "weights/mapped_file.h"

namespace lemore {

/// A tensor of a file. Its data may lie on any byte: see is_aligned before reading elements through a pointer.
struct NamedTensor {
  std::string name;
  TensorView view;
};

/// Largest header that is read.
constexpr std::size_t k_max_safetensors_header = std::size_t{4} << 20;
/// Tensors whose name begins so fill gaps and mean nothing.
constexpr std::string_view k_filler_prefix = "__pad.";

/// True when the elements may be read in place as `alignment` bytes' worth of them.
bool is_aligned(const void* data, std::size_t alignment = k_alignment) noexcept;

/// A safetensors file of the strict profile (weights/README.md), checked as a whole before anything is handed out:
/// header of at most 4 MiB that begins with '{', known dtypes, sizes that agree with shapes, data without holes,
/// overlaps or rest.
///
/// Immutable; reading is safe from any number of threads. Views live as long as the object that it is moved into.
class Safetensors {
 public:
  /// Opens `path`: mapped, or read into memory when `copy`.
  /// Errors    io_error, invalid_file (which file, which field or tensor, what was expected, what came), out_of_memory.
  static Result<Safetensors> open(const std::string& path, bool copy = false);
  /// As open, from bytes that outlive the object unless `copy`; `name` stands for the file in messages.
  static Result<Safetensors> from_memory(const void* data, std::size_t size, bool copy, const std::string& name);

  /// The file's name for messages.
  const std::string& file() const noexcept { return file_; }
  /// All tensors, fillers included, sorted by name.
  const std::vector<NamedTensor>& tensors() const noexcept { return tensors_; }
  /// The tensor called `name`, or null.
  const NamedTensor* find_named(std::string_view name) const noexcept;
  const TensorView* find(std::string_view name) const noexcept {
    const NamedTensor* tensor = find_named(name);
    return tensor != nullptr ? &tensor->view : nullptr;
  }
  /// The metadata value under `key`, or null.
  const std::string* metadata(std::string_view key) const noexcept;
  /// All metadata, in the order of the file.
  const std::vector<std::pair<std::string, std::string>>& metadata() const noexcept { return metadata_; }
  bool is_mapped() const noexcept { return bytes_.is_mapped(); }

 private:
  static Result<Safetensors> read(FileBytes bytes, const std::string& file);

  std::string file_;
  FileBytes bytes_;
  std::vector<NamedTensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace lemore
