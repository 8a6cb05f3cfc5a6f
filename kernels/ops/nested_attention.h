#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Transposes keys: x [tokens, key_dim] with row stride x_stride to y [key_dim, y_stride]. Exact.
///
/// Requires  y_stride >= tokens rounded up to 16; what lies beyond the tokens becomes 0. x and y do not overlap.
struct TransposeKeys {
  size_t tokens = 0, key_dim = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  float* y = nullptr;
  size_t y_stride = 0;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, TransposeKeys& a) {
  call.number("tokens", a.tokens);
  call.number("key_dim", a.key_dim);
  call.number("x_stride", a.x_stride);
  a.y_stride = (a.tokens + 15) / 16 * 16;
  call.memory(a.x, a.tokens * a.x_stride);
  call.memory(a.y, a.key_dim * a.y_stride);
  call.work(0, 8 * uint64_t{a.tokens} * a.key_dim);
}

/// Nested attention of one head for queries row_begin..row_end:
///   psi = sum over i, j < branches of softmax over keys of (scale * Q_i K_j^T);   y = activation(psi V).
///
/// Shapes    q: row r of branch i at q + r * q_stride + i * q_branch_stride, key_dim values.
///           keys: branch j at keys + j * keys_branch_stride, [key_dim, keys_stride] as TransposeKeys writes them.
///           v [tokens, value_dim] with row stride v_stride; y [tokens, value_dim] with row stride y_stride.
///           scratch: nested_attention_scratch(tokens) floats, one for each concurrent caller, 64-byte aligned.
/// Requires  y overlaps nothing else.
/// Accuracy  softmax subtracts the row's maximum; exp is within exp_tol_ulp (kernels/simd/tolerance.h). The relative
///           error of a row's psi is at most
///             nested_attention_tol * 2^-24 * (key_dim * scale * max sum |q k| + tokens + 8),
///           with the maximum over the row's scores; psi V adds that of Gemm with k = tokens.
/// Source    LeMoRe (ICIP 2025), section 3.2.
struct NestedAttention {
  size_t tokens = 0, key_dim = 0, value_dim = 0, branches = 1;
  size_t row_begin = 0, row_end = 0;
  float scale = 1.0f;
  const float* q = nullptr;
  size_t q_stride = 0, q_branch_stride = 0;
  const float* keys = nullptr;
  size_t keys_stride = 0, keys_branch_stride = 0;
  const float* v = nullptr;
  size_t v_stride = 0;
  Activation activation = Activation::none;
  float* y = nullptr;
  size_t y_stride = 0;
  float* scratch = nullptr;
};

constexpr float nested_attention_tol = 4.0f;

/// Query rows worked on at a time; the scratch holds their scores and their psi.
constexpr size_t k_attention_rows = 8;
constexpr size_t nested_attention_scratch(size_t tokens) { return 2 * k_attention_rows * ((tokens + 15) / 16 * 16); }

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, NestedAttention& a) {
  call.number("tokens", a.tokens);
  call.number("key_dim", a.key_dim);
  call.number("value_dim", a.value_dim);
  call.number("branches", a.branches);
  call.rows(a.row_begin, a.row_end);
  call.number("activation", a.activation);
  a.scale = 0.25f;
  a.q_branch_stride = a.key_dim;
  a.q_stride = a.branches * a.key_dim;
  a.keys_stride = (a.tokens + 15) / 16 * 16;
  a.keys_branch_stride = a.key_dim * a.keys_stride;
  a.v_stride = a.y_stride = a.value_dim;
  call.memory(a.q, a.tokens * a.q_stride);
  call.memory(a.keys, a.branches * a.keys_branch_stride);
  call.memory(a.v, a.tokens * a.value_dim);
  call.memory(a.y, a.tokens * a.value_dim);
  call.memory(a.scratch, nested_attention_scratch(a.tokens));
  const uint64_t products = a.branches * a.branches * a.key_dim + a.value_dim;
  call.work(a.row_end * a.tokens * products, 8 * uint64_t{a.tokens} * (a.branches * a.key_dim + a.value_dim));
}

}  // namespace lemore::kernels
