#pragma once

#include <cstddef>

#include "kernels/ops/resize.h"

namespace lemore::core {

/// Taps of a 1-D linear resize src -> dst with half-pixel centres, source coordinates clamped to the image: taps[i] for
/// i < dst. The arithmetic is PyTorch's: float32 scale src/dst, (i + 0.5) * scale - 0.5, clamped at 0. Requires src,
/// dst >= 1.
void resize_taps(std::size_t src, std::size_t dst, kernels::ResizeTap* taps) noexcept;

/// A_n = R(N->n) A R(n->N): an axis operator of size N x N resampled to n x n (spec, "Other image sizes"). R(a->b) is
/// the b x a matrix of resize_taps(a, b). Computed in double. `out` [n, n]; `scratch` holds n * (N + 1) doubles. At n =
/// N it is a copy.
void resample_operator(const float* a, std::size_t size, std::size_t n, float* out, double* scratch) noexcept;

}  // namespace lemore::core
