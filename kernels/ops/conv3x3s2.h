#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// 3x3 convolution with stride 2 of a three-channel image that carries a border of one zero pixel on every side: y has
/// ceil(h / 2) x ceil(w / 2) pixels for an image of h x w.
///
/// Shapes    x [h + 2, w + 2, 3], pixels dense, rows x_stride elements apart.
///           weight: panels of 16 output channels, [ceil(out_c / 16), 27, 16], k = (kh * 3 + kw) * 3 + in_c, zero
///           beyond out_c; bias [out_c] or null.
///           y [ceil(h / 2), out_w, out_c] dense, out_w = ceil(w / 2); rows row_begin..row_end are computed.
/// Requires  x and y do not overlap.
/// Accuracy  as Gemm with k = 27.
/// Source    torch.nn.functional.conv2d with stride = 2, padding = 1.
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

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Conv3x3s2& a) {
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("out_c", a.out_c);
  a.x_stride = (2 * a.out_w + 2) * 3;
  const size_t outputs = a.row_end * a.out_w;
  call.memory(a.x, (2 * a.row_end + 2) * a.x_stride);
  call.memory(a.weight, (a.out_c + 15) / 16 * 27 * 16);
  call.memory(a.bias, a.out_c);
  call.memory(a.y, outputs * a.out_c);
  call.work(27 * uint64_t{outputs} * a.out_c, 4 * (2 * uint64_t{a.row_end} * a.x_stride + uint64_t{outputs} * a.out_c));
}

}  // namespace lemore::kernels
