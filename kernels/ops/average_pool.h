#pragma once

#include <stddef.h>

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

constexpr float average_pool_tol = 2.0f;

}  // namespace lemore::kernels
