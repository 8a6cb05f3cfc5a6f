#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "lemore/export.h"
#include "lemore/status.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// Alignment in bytes of every tensor that lemore allocates, and required of an arena: one cache line, which is also
/// the widest vector.
constexpr std::size_t k_alignment = 64;

/// The element types a weight file can hold. lemore computes in f32.
enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

/// Size of one element in bytes.
LEMORE_API std::size_t dtype_size(DType type) noexcept;
/// The name of a type in safetensors, for instance "F32". Never null.
LEMORE_API const char* dtype_name(DType type) noexcept;

/// The extents of a tensor, outermost first: at most k_max_rank, stored without allocating.
class LEMORE_API Shape {
 public:
  static constexpr int k_max_rank = 8;

  Shape() = default;
  /// Requires at most k_max_rank extents.
  Shape(std::initializer_list<std::size_t> extents) noexcept;

  int rank() const noexcept { return rank_; }
  std::size_t operator[](int axis) const noexcept { return extents_[static_cast<std::size_t>(axis)]; }
  /// Appends an extent. Returns false if the shape is full.
  bool push_back(std::size_t extent) noexcept;
  /// The product of the extents (1 for rank 0), or SIZE_MAX if it overflows.
  std::size_t elements() const noexcept;
  /// For messages: "[3, 256, 256]".
  std::string to_string() const;

  bool operator==(const Shape& other) const noexcept;
  bool operator!=(const Shape& other) const noexcept { return !(*this == other); }

 private:
  std::array<std::size_t, k_max_rank> extents_{};
  int rank_ = 0;
};

/// What the extents mean. Activations are nhwc (channels last); input tensors at the API are nchw, as in PyTorch.
enum class Layout : std::uint8_t {
  plain,      ///< row-major, no meaning attached
  nchw,       ///< [n, c, h, w]
  nhwc,       ///< [n, h, w, c]
  packed_p16  ///< [ceil(out / 16), in, 16]: panels of 16 output channels (weights/README.md)
};

/// Elements owned by someone else: dense, row-major in the order of the shape. Copying a view copies no elements.
/// Any number of threads may read the elements while no thread writes them.
struct LEMORE_API TensorView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  Layout layout = Layout::plain;
  Shape shape;

  TensorView() = default;
  TensorView(const void* data_, DType dtype_, Shape shape_, Layout layout_ = Layout::plain)
      : data(data_), dtype(dtype_), layout(layout_), shape(shape_) {}

  /// The elements as floats. Requires dtype == DType::f32.
  const float* f32() const noexcept;
  /// Size of the elements in bytes.
  std::size_t bytes() const noexcept { return shape.elements() * dtype_size(dtype); }
};

/// A tensor that owns its elements, which are aligned to k_alignment. It can be moved; copy_of makes a copy.
class LEMORE_API Tensor {
 public:
  Tensor() = default;
  /// A tensor of zeros.
  /// Errors    out_of_memory, also for a shape whose size overflows.
  static Result<Tensor> create(DType dtype, const Shape& shape, Layout layout = Layout::plain);
  /// A copy of `view`.
  /// Errors    out_of_memory.
  static Result<Tensor> copy_of(const TensorView& view);

  const TensorView& view() const noexcept { return view_; }
  const Shape& shape() const noexcept { return view_.shape; }
  DType dtype() const noexcept { return view_.dtype; }
  /// The elements for writing; null for an empty tensor.
  void* data() noexcept { return storage_.get(); }
  /// The elements as floats. Requires dtype == DType::f32.
  float* f32() noexcept;
  const float* f32() const noexcept { return view_.f32(); }

 private:
  struct Free {
    void operator()(void* p) const noexcept;
  };
  std::unique_ptr<void, Free> storage_;
  TensorView view_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
