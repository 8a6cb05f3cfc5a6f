#pragma once

#include <stddef.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Turns keys [tokens, key_dim] (row stride x_stride) into [key_dim, y_stride], y_stride >= tokens rounded up to 16;
/// the rest is zeroed.
struct TransposeKeys {
  size_t tokens = 0, key_dim = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  float* y = nullptr;
  size_t y_stride = 0;
};

/// Nested attention of one head for queries row_begin..row_end:
///   psi = sum over i, j < branches of softmax over keys of (scale * Q_i K_j^T);   y = activation(psi V).
///
/// Shapes    q: row r of branch i at q + r * q_stride + i * q_branch_stride, key_dim values.
///           keys: branch j at keys + j * keys_branch_stride, [key_dim, keys_stride] as TransposeKeys writes them.
///           v [tokens, value_dim] with row stride v_stride; y rows of value_dim with row stride y_stride.
///           scratch: nested_attention_scratch(tokens) floats, one per concurrent caller, 64-byte aligned.
/// Accuracy  softmax subtracts the row's maximum; exp within exp_tol_ulp (kernels/simd/tolerance.h). The relative error
///           of a row's psi is at most attention_tol * 2^-24 * (key_dim * scale * max sum |q k| + tokens + 8), the
///           maximum over the row's scores; psi V adds that of Gemm with k = tokens.
/// Source    spec, section "The network", 4; paper, section 3.2.
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

constexpr float attention_tol = 4.0f;

/// Query rows handled at a time; the scratch holds their scores and their psi.
constexpr size_t k_attention_rows = 8;
constexpr size_t nested_attention_scratch(size_t tokens) { return 2 * k_attention_rows * ((tokens + 15) / 16 * 16); }

}  // namespace lemore::kernels
