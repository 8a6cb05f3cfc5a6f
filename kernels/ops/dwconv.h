#pragma once

#include <stddef.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Depthwise convolution, channels last, with zero padding of dilation * (k - 1) / 2 on each side of each axis.
///
/// Shapes    x [h, w, c], y [ceil(h/stride), ceil(w/stride), c], both dense; weight [kh, kw, c]; bias [c] or null.
/// Units     row_begin..row_end select output rows, so that callers can split work.
/// Requires  kh, kw odd (1, 3, 5 have their own inner loops); stride, dilation >= 1; x and y do not overlap.
/// Accuracy  dwconv_tol * (kh * kw + 1) * 2^-24 * (sum of |x w| + |bias|).
struct DepthwiseConv {
  size_t h = 0, w = 0, c = 0;
  size_t kh = 3, kw = 3;
  size_t stride = 1;
  size_t dilation = 1;
  size_t row_begin = 0, row_end = 0;
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  float* y = nullptr;
};

constexpr float dwconv_tol = 2.0f;

using F32DepthwiseConv = void (*)(const DepthwiseConv&);

}  // namespace lemore::kernels
