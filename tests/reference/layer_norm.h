#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/layer_norm.h"

namespace lemore::reference {

/// Moments of one pixel, in two passes.
struct Moments {
  double mean, deviation;  ///< deviation with eps: sqrt(variance + eps)
};

inline Moments moments(const kernels::LayerNorm& a, std::size_t pixel) {
  const float* x = a.x + pixel * a.x_stride;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < a.c; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(a.c);
  for (std::size_t i = 0; i < a.c; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  return {mean, std::sqrt(squares / static_cast<double>(a.c) + static_cast<double>(a.eps))};
}

}  // namespace lemore::reference
