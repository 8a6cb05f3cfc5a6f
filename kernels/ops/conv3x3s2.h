#pragma once

#include <stddef.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// 3x3 convolution with stride 2 of a three-channel image that carries a border of one zero pixel on every side.
///
/// Shapes    x [h + 2, w + 2, 3] dense, row stride x_stride elements; y [ceil(h/2), ceil(w/2), out_c] dense.
///           weight: panels of 16 output channels, [ceil(out_c/16), 27, 16], k = (kh * 3 + kw) * 3 + in_c, zero beyond
///           out_c; bias [out_c].
/// Units     row_begin..row_end select output rows, so that callers can split work; out_w = ceil(w/2).
/// Accuracy  as Gemm with k = 27.
/// Source    spec, section "The network", 1.
struct Conv3x3s2 {
  const float* x = nullptr;
  size_t x_stride = 0;
  size_t out_w = 0, out_c = 0;
  size_t row_begin = 0, row_end = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::relu6;
  float* y = nullptr;
};

}  // namespace lemore::kernels
