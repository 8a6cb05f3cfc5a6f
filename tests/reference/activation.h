#pragma once

#include <cmath>

#include "kernels/ops/activation.h"

namespace lemore::reference {

/// The activations from their definitions. NaN stays NaN.
inline double activate(double x, kernels::Activation activation) {
  const auto clamp = [](double v, double high) { return v < 0.0 ? 0.0 : v > high ? high : v; };
  switch (activation) {
    case kernels::Activation::none:
      return x;
    case kernels::Activation::relu:
      return clamp(x, HUGE_VAL);
    case kernels::Activation::relu6:
      return clamp(x, 6.0);
    case kernels::Activation::hardswish:
      return x * clamp(x + 3.0, 6.0) / 6.0;
    case kernels::Activation::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case kernels::Activation::gelu:
      return x == -HUGE_VAL ? 0.0 : 0.5 * x * std::erfc(-x * std::sqrt(0.5));
  }
  return x;
}

}  // namespace lemore::reference
