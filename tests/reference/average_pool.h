#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/average_pool.h"

namespace lemore::reference {

/// Mean of value i over the window, and of its magnitude, which the tolerance is relative to.
struct Mean {
  double value, magnitude;
};

inline Mean average_pool(const kernels::AveragePool& a, std::size_t i) {
  double sum = 0, magnitude = 0;
  for (std::size_t r = 0; r < a.rows; ++r)
    for (std::size_t q = 0; q < a.cols; ++q) {
      const double x = a.x[r * a.row_stride + q * a.col_stride + i];
      sum += x;
      magnitude += std::fabs(x);
    }
  const double count = static_cast<double>(a.rows) * static_cast<double>(a.cols);
  return {sum / count, magnitude / count};
}

}  // namespace lemore::reference
