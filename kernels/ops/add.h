#pragma once

#include <stddef.h>

namespace lemore::kernels {

/// Sum of two maps: y[i] = a[i] + b[i] for i < n.
///
/// Shapes    a, b, y [n] dense.
/// Requires  y may be a or b; it overlaps them no other way.
/// Accuracy  one rounding.
struct Add {
  size_t n = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
};

}  // namespace lemore::kernels
