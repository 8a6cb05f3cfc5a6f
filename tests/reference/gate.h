#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/gate.h"
#include "reference/activation.h"

namespace lemore::reference {

/// A value and the sum of the magnitudes it is made of.
struct Gated {
  double value, magnitude;
};

/// Channel i of pixel (row, column), from the arguments of the kernel; a.y is not read.
inline Gated gate(const kernels::Gate& a, std::size_t row, std::size_t column, std::size_t i) {
  const std::size_t at = (row * a.w + column) * a.c + i;
  double product = a.x[at];
  if (a.a_h) product *= a.a_h[row * a.a_h_stride + i];
  if (a.a_w) product *= a.a_w[column * a.c + i];
  const double skip = a.skip ? static_cast<double>(a.skip[at]) : 0.0;
  return {product + skip, std::fabs(product) + std::fabs(skip)};
}

}  // namespace lemore::reference
