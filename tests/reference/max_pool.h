#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/max_pool.h"

namespace lemore::reference {

/// Value i of output (row, column).
inline float max_pool(const kernels::MaxPool& a, std::size_t row, std::size_t column, std::size_t i) {
  float largest = -HUGE_VALF;
  for (std::size_t r = row * a.stride; r < row * a.stride + a.kh; ++r)
    for (std::size_t q = column * a.stride; q < column * a.stride + a.kw; ++q) {
      const float x = a.x[(r * a.w + q) * a.c + i];
      if (std::isnan(x)) return x;
      largest = std::fmax(largest, x);
    }
  return largest;
}

}  // namespace lemore::reference
