#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Largest value of each window, channels last, no padding: y[r, o, i] = max over a < kh, b < kw of
/// x[r * stride + a, o * stride + b, i].
///
/// Shapes    x [h, w, c] and y [row_end - row_begin, out_w, c] dense; the first row of y is output row row_begin.
/// Requires  kh, kw, stride >= 1; (row_end - 1) * stride + kh <= h and (out_w - 1) * stride + kw <= w: outputs are
///           floor((n - k) / stride) + 1. x and y do not overlap.
/// Numbers   exact; a window with a NaN gives NaN.
/// Source    torch.nn.functional.max_pool2d, PyTorch 2.x documentation.
struct MaxPool {
  size_t w = 0, c = 0;
  size_t kh = 2, kw = 2, stride = 2;
  size_t out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const float* x = nullptr;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, MaxPool& a) {
  call.number("w", a.w);
  call.number("c", a.c);
  call.number("kh", a.kh);
  call.number("kw", a.kw);
  call.number("stride", a.stride);
  call.number("out_w", a.out_w);
  call.rows(a.row_begin, a.row_end);
  const size_t rows = a.row_end - a.row_begin;
  const size_t read = rows == 0 ? 0 : ((rows - 1) * a.stride + a.kh) * a.w * a.c, written = rows * a.out_w * a.c;
  call.memory(a.x, read);
  call.memory(a.y, written);
  call.work(0, 4 * (uint64_t{read} + written));
}

}  // namespace lemore::kernels
