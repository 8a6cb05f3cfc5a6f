#include "lemore/tensor.h"

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>

#include "core/text.h"

namespace lemore {

namespace {

struct DTypeInfo {
  const char* name;
  std::size_t size;
};

/// In the order of DType.
constexpr DTypeInfo k_dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},
                                  {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2},  {"U8", 1},  {"BOOL", 1}};
static_assert(std::size(k_dtypes) == static_cast<std::size_t>(DType::boolean) + 1, "one line for each DType");

}  // namespace

std::size_t dtype_size(DType type) noexcept { return k_dtypes[static_cast<std::size_t>(type)].size; }

const char* dtype_name(DType type) noexcept { return k_dtypes[static_cast<std::size_t>(type)].name; }

Shape::Shape(std::initializer_list<std::size_t> extents) noexcept {
  assert(extents.size() <= std::size_t{k_max_rank});
  for (const std::size_t extent : extents) push_back(extent);
}

bool Shape::push_back(std::size_t extent) noexcept {
  if (rank_ == k_max_rank) return false;
  extents_[static_cast<std::size_t>(rank_++)] = extent;
  return true;
}

std::size_t Shape::elements() const noexcept {
  constexpr std::size_t k_max = std::numeric_limits<std::size_t>::max();
  std::size_t product = 1;
  bool overflow = false;
  for (int axis = 0; axis < rank_; ++axis) {
    const std::size_t extent = (*this)[axis];
    if (extent == 0) return 0;  // also where the other extents would overflow
    overflow = overflow || product > k_max / extent;
    product *= extent;
  }
  return overflow ? k_max : product;
}

std::string Shape::to_string() const { return join({*this}); }

bool Shape::operator==(const Shape& other) const noexcept {
  return rank_ == other.rank_ && extents_ == other.extents_;  // what lies beyond the rank is 0
}

const float* TensorView::f32() const noexcept {
  assert(dtype == DType::f32);
  return static_cast<const float*>(data);
}

void Tensor::Free::operator()(void* p) const noexcept { std::free(p); }

Result<Tensor> Tensor::create(DType dtype, const Shape& shape, Layout layout) {
  const std::size_t elements = shape.elements(), size = dtype_size(dtype);
  if (elements > (std::numeric_limits<std::size_t>::max() - k_alignment) / size) {
    return make_error(StatusCode::out_of_memory,
                      {"a tensor ", shape, " of ", dtype_name(dtype), " is larger than any memory"});
  }
  Tensor tensor;
  if (elements > 0) {
    // aligned_alloc wants a multiple of the alignment.
    const std::size_t bytes = (elements * size + k_alignment - 1) / k_alignment * k_alignment;
    tensor.storage_.reset(std::aligned_alloc(k_alignment, bytes));
    if (!tensor.storage_) {
      return make_error(StatusCode::out_of_memory,
                        {"no memory for a tensor ", shape, " of ", dtype_name(dtype), ": ", bytes, " bytes"});
    }
    std::memset(tensor.storage_.get(), 0, bytes);
  }
  tensor.view_ = TensorView(tensor.storage_.get(), dtype, shape, layout);
  return tensor;
}

Result<Tensor> Tensor::copy_of(const TensorView& view) {
  Result<Tensor> tensor = create(view.dtype, view.shape, view.layout);
  if (tensor.ok() && tensor->data() != nullptr) std::memcpy(tensor->data(), view.data, view.bytes());
  return tensor;
}

float* Tensor::f32() noexcept {
  assert(view_.dtype == DType::f32);
  return static_cast<float*>(storage_.get());
}

}  // namespace lemore
