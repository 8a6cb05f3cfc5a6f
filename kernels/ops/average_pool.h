#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Mean over a window: y[i] = 1/(rows*cols) * sum over r < rows, q < cols of x[r * row_stride + q * col_stride + i], i
/// < n.
///
/// One kernel for the pools of coordinate attention (over the width: rows = 1, cols = w, n = c; over the height: rows =
/// h, cols = 1, n = a run of w*c values), the global mean and one window of an adaptive average pool. Each row is
/// summed first, then the rows, then one division: average_pool_tol * (rows + cols) * 2^-24 * mean |x|. Requires  rows, cols >=
/// 1; strides in elements; x and y do not overlap.
struct AveragePool {
  size_t rows = 1, cols = 1, n = 0;
  size_t row_stride = 0, col_stride = 0;
  const float* x = nullptr;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, AveragePool& a) {
  call.number("rows", a.rows);
  call.number("cols", a.cols);
  call.number("n", a.n);
  call.number("row_stride", a.row_stride);
  call.number("col_stride", a.col_stride);
  call.memory(a.x, (a.rows - 1) * a.row_stride + (a.cols - 1) * a.col_stride + a.n);
  call.memory(a.y, a.n);
  call.work(0, 4 * uint64_t{a.rows} * a.cols * a.n);
}

constexpr float average_pool_tol = 2.0f;

}  // namespace lemore::kernels
