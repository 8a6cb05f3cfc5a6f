#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Convolution with any kernel, stride and zero padding, over all channels of a channels-last map:
///   y[r, o, j] = activation(bias[j] + sum over a < kh, b < kw, i < c of weight[(a * kw + b) * c + i, j] *
///                           x[r * stride + a - pad_top, o * stride + b - pad_left, i])
/// where x is 0 outside rows 0..h and columns 0..w.
///
/// Shapes    x [h, w, c], pixels dense, rows x_stride elements apart (w * c where the map is dense).
///           weight: panels of 16 output channels, [ceil(out_c / 16), kh * kw * c, 16], zero beyond out_c;
///           bias [out_c] or null.
///           y [row_end - row_begin, out_w, out_c], pixels y_stride elements apart (out_c where the map is dense); its
///           first row is output row row_begin.
///           scratch: conv_scratch(kh, kw, c) floats, one for each concurrent caller.
/// Requires  c, kh, kw, stride >= 1. Neither the padding nor out_w is bound to the map's size: a window may lie
///           outside it altogether. y and scratch overlap nothing.
/// Accuracy  as Gemm with k = kh * kw * c. An element's bits depend on the values that it is computed from, not on
///           row_begin, row_end or out_w.
/// Source    torch.nn.functional.conv2d, with groups and dilation of 1.
struct Conv {
  size_t h = 0, w = 0, c = 0;
  size_t kh = 1, kw = 1;
  size_t stride = 1;
  size_t pad_top = 0, pad_left = 0;
  size_t out_w = 0, out_c = 0;
  size_t row_begin = 0, row_end = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  float* y = nullptr;
  size_t y_stride = 0;
  float* scratch = nullptr;
};

/// Output pixels whose windows are copied at a time, where they are copied.
constexpr size_t k_conv_pixels = 24;

/// Floats of scratch that a call needs: the windows, and a vector that the last copy may write beyond them.
constexpr size_t conv_scratch(size_t kh, size_t kw, size_t c) { return k_conv_pixels * kh * kw * c + 16; }

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Conv& a) {
  call.number("h", a.h);
  call.number("w", a.w);
  call.number("c", a.c);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("out_c", a.out_c);
  call.number("kh", a.kh);
  call.number("kw", a.kw);
  call.number("stride", a.stride);
  call.number("pad_top", a.pad_top);
  call.number("pad_left", a.pad_left);
  call.number("activation", a.activation);
  a.x_stride = a.w * a.c;
  a.y_stride = a.out_c;
  const size_t k = a.kh * a.kw * a.c, outputs = a.row_end * a.out_w;
  call.memory(a.x, a.h * a.x_stride);
  call.memory(a.weight, (a.out_c + 15) / 16 * 16 * k);
  call.memory(a.bias, a.out_c);
  call.memory(a.y, outputs * a.out_c);
  call.memory(a.scratch, conv_scratch(a.kh, a.kw, a.c));
  call.work(uint64_t{outputs} * a.out_c * k,
            4 * (uint64_t{a.h} * a.x_stride + uint64_t{k} * a.out_c + uint64_t{outputs} * a.out_c));
}

}  // namespace lemore::kernels
