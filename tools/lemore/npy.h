#pragma once

#include <cstdint>
#include <vector>

#include "lemore/tensor.h"

namespace lemore::cli {

/// A .npy file (version 1.0, little-endian float32, C order) of `elements` with this shape, into `bytes`.
void write_npy(const Shape& shape, const float* elements, std::vector<std::uint8_t>& bytes);

/// [1, h, w, c] as [c, h, w], or [1, c] as [c]; sets `shape`.
void channels_first(const TensorView& nhwc, Shape& shape, std::vector<float>& elements);

}  // namespace lemore::cli
