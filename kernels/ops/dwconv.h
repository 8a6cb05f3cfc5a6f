#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Depthwise convolution with zero padding:
///   y[r, o, i] = activation(bias[i] + sum over a < kh, b < kw of weight[a, b, i] *
///                           x[r * stride - pad_top + a * dilation, o * stride - pad_left + b * dilation, i])
/// where x is 0 outside rows 0..h and columns 0..w.
///
/// Shapes    x holds x_rows rows [w, c], dense, row r at r % x_rows: a whole map (x_rows = h), or a ring that holds the
///           rows which the output rows need.
///           weight [kh, kw, c]; bias [c] or null.
///           y [row_end - row_begin, out_w, c] dense; its first row is output row row_begin.
/// Requires  kh, kw odd (1, 3 and 5 have inner loops of their own); stride, dilation, x_rows >= 1; x and y do not
///           overlap.
/// Accuracy  dwconv_tol * (kh * kw + 1) * 2^-24 * (sum of |x * weight| + |bias|). An element's bits depend on the
///           values that it is computed from, not on the rows of the call, the ring or out_w.
/// Source    torch.nn.functional.conv2d with groups = c.
struct DepthwiseConv {
  size_t h = 0, w = 0, c = 0;
  size_t kh = 3, kw = 3;
  size_t stride = 1;
  size_t dilation = 1;
  size_t pad_top = 1, pad_left = 1;
  size_t out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const float* x = nullptr;
  size_t x_rows = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, DepthwiseConv& a) {
  call.number("h", a.h);
  call.number("w", a.w);
  call.number("c", a.c);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("kh", a.kh);
  call.number("kw", a.kw);
  call.number("stride", a.stride);
  call.number("dilation", a.dilation);
  call.number("pad_top", a.pad_top);
  call.number("pad_left", a.pad_left);
  call.number("x_rows", a.x_rows);
  call.number("activation", a.activation);
  call.memory(a.x, a.x_rows * a.w * a.c);
  call.memory(a.weight, a.kh * a.kw * a.c);
  call.memory(a.bias, a.c);
  call.memory(a.y, a.row_end * a.out_w * a.c);
  const uint64_t out = uint64_t{a.row_end} * a.out_w * a.c, under = a.row_end * a.stride + (a.kh - 1) * a.dilation;
  call.work(out * a.kh * a.kw, 4 * ((under < a.x_rows ? under : a.x_rows) * a.w * a.c + out));
}

constexpr float dwconv_tol = 2.0f;

}  // namespace lemore::kernels
