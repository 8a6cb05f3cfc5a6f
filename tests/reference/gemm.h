#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/gemm.h"
#include "reference/activation.h"

namespace lemore::reference {

/// A value and how far a right kernel may be from it.
struct Bounded {
  double value, tolerance;
};

/// What follows a sum: activation(scale * sum + bias) + residual. `error` bounds that of the sum. Each step passes it
/// on (no activation is steeper than 1.5; hardswish at x = 3) and rounds: 8 units cover the multiply-add, the
/// activation and the sum with the residual.
inline Bounded epilogue(double sum, double error, double scale, double bias, kernels::Activation activation,
                        double residual) {
  const double eps = 1.0 / (1 << 24);
  const double before = scale * sum + bias, after = activate(before, activation), value = after + residual;
  const double rounding = eps * (std::fabs(scale * sum) + std::fabs(bias) + std::fabs(after) + std::fabs(value));
  return {value, 1.5 * std::fabs(scale) * error + 8.0 * rounding};
}

/// Element (i, j) of what kernels::Gemm describes, from the formula. dst holds the old values.
inline Bounded gemm(const kernels::Gemm& g, const float* old_dst, std::size_t i, std::size_t j) {
  double sum = 0.0, magnitude = 0.0;
  for (std::size_t r = 0; r < g.k; ++r) {
    const double a = g.lhs[i * g.lhs_stride + r];
    const double b = g.rhs[j / 16 * g.rhs_panel_stride + r * g.rhs_k_stride + j % 16];
    sum += a * b;
    magnitude += std::fabs(a * b);
  }
  if (g.accumulate) {
    sum += old_dst[i * g.dst_stride + j];
    magnitude += std::fabs(old_dst[i * g.dst_stride + j]);
  }
  const double scale = g.scale != nullptr ? g.scale[j] : 1.0, bias = g.bias != nullptr ? g.bias[j] : 0.0;
  if (g.scale == nullptr) magnitude += std::fabs(bias);
  const double error = kernels::gemm_tol * (static_cast<double>(g.k) + 1.0) / (1 << 24) * magnitude;
  double residual = 0.0;
  if (g.residual == g.dst && g.residual != nullptr)
    residual = old_dst[i * g.dst_stride + j];
  else if (g.residual != nullptr)
    residual = g.residual[i * g.residual_stride + j];
  return epilogue(sum, error, scale, bias, g.activation, residual);
}

}  // namespace lemore::reference
