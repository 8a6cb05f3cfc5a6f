#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Average over one window: y[i] = 1 / (rows * cols) * sum over r < rows, q < cols of
/// x[r * row_stride + q * col_stride + i], for i < n. It serves
///   - the average over the width, a row at a time: rows = 1, cols = w, n = c;
///   - the average over the height, for any run of columns: rows = h, cols = 1, n = columns * c;
///   - the global average, and each window of an adaptive average pool.
///
/// Shapes    strides in elements; y [n] dense.
/// Requires  rows, cols >= 1; x and y do not overlap.
/// Accuracy  average_pool_tol * (rows + cols) * 2^-24 * (mean of |x|): each row is summed, then the rows, then divided.
/// Source    torch.nn.functional.avg_pool2d, adaptive_avg_pool2d.
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
