#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Columns of one packed panel of the right-hand side, the same on every ISA so that a weight file is packed once.
constexpr size_t k_panel = 16;

/// Product of two matrices with an epilogue: dst = activation(scale * (lhs x rhs [+ dst]) + bias) + residual. The sum
/// begins with dst where `accumulate` is set.
///
/// Shapes    lhs [m, k] and dst, residual [m, n], row-major with row strides in elements; scale, bias [n]. scale,
///           bias and residual may be null.
///           rhs [k, n] in panels of 16 columns: element (r, j) is
///             rhs[j / 16 * rhs_panel_stride + r * rhs_k_stride + j % 16].
///           Packed weights: rhs_k_stride = 16, rhs_panel_stride = 16 * k, the columns beyond n are readable
///           (rhs_padded).
///           A plain row-major matrix: rhs_k_stride = its row stride, rhs_panel_stride = 16 and rhs_padded = false:
///           nothing beyond column n is read.
/// Requires  m, n and k may be 0; with k = 0 the sum is empty. dst may be residual (same stride); it overlaps nothing
///           else.
/// Accuracy  gemm_tol * (k + 1) * 2^-24 * (|lhs| x |rhs| + |dst| + |bias|), as a sum may begin with dst or the bias;
///           each further step of the epilogue rounds once more, and the activation has its own error
///           (kernels/simd/tolerance.h). An element's bits depend on its row of lhs and its column of rhs, not on m,
///           n or the tile that it falls in.
struct Gemm {
  size_t m = 0, n = 0, k = 0;
  const float* lhs = nullptr;
  size_t lhs_stride = 0;
  const float* rhs = nullptr;
  size_t rhs_k_stride = k_panel, rhs_panel_stride = 0;
  bool rhs_padded = true;
  float* dst = nullptr;
  size_t dst_stride = 0;
  bool accumulate = false;
  const float* scale = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  const float* residual = nullptr;
  size_t residual_stride = 0;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Gemm& a) {
  call.number("m", a.m);
  call.number("n", a.n);
  call.number("k", a.k);
  call.number("packed", a.rhs_padded);
  call.number("accumulate", a.accumulate);
  call.number("activation", a.activation);
  if (a.rhs_padded) {
    a.rhs_k_stride = k_panel;
    a.rhs_panel_stride = k_panel * a.k;
  } else {
    a.rhs_k_stride = a.n;
    a.rhs_panel_stride = k_panel;
  }
  a.lhs_stride = a.k;
  a.dst_stride = a.residual_stride = a.n;
  call.memory(a.lhs, a.m * a.k);
  call.memory(a.rhs, (a.n + k_panel - 1) / k_panel * k_panel * a.k);
  call.memory(a.dst, a.m * a.n);
  call.optional("scale", a.scale, a.n, 0.1f, 0.9f);
  call.optional("bias", a.bias, a.n);
  call.optional("residual", a.residual, a.m * a.n);
  const uint64_t maps = 1 + (a.accumulate ? 1 : 0) + (a.residual != nullptr ? 1 : 0);
  call.work(uint64_t{a.m} * a.n * a.k, 4 * (uint64_t{a.m} * a.k + uint64_t{a.k} * a.n + maps * a.m * a.n));
}

constexpr float gemm_tol = 2.0f;

}  // namespace lemore::kernels
