#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/gemm.h"

namespace lemore::kernels {

/// Keys and values of one head as Attention reads them: keys in panels of 16, [ceil(keys / 16)][dim][16], multiplied by
/// log2(e), zero beyond the last key; then values in panels of 16 columns, [ceil(value_dim / 16)][keys][16], zero beyond
/// value_dim. The same on every ISA.
///
/// Shapes    k [keys, dim] and v [keys, value_dim] with row strides; packed_keys_size floats at `packed`.
/// Requires  key_begin a multiple of 16: only keys key_begin..key_end are packed, so that callers can split the work.
struct PackKeys {
  size_t keys = 0, dim = 0, value_dim = 0;
  size_t key_begin = 0, key_end = 0;
  const float* k = nullptr;
  size_t k_stride = 0;
  const float* v = nullptr;
  size_t v_stride = 0;
  float* packed = nullptr;
};

constexpr size_t packed_keys_size(size_t keys, size_t dim, size_t value_dim) {
  return (keys + k_panel - 1) / k_panel * k_panel * dim + (value_dim + k_panel - 1) / k_panel * k_panel * keys;
}

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, PackKeys& a) {
  call.number("keys", a.keys);
  call.number("dim", a.dim);
  call.number("value_dim", a.value_dim);
  call.number("k_stride", a.k_stride);
  call.number("v_stride", a.v_stride);
  a.key_begin = 0;
  a.key_end = a.keys;
  call.memory(a.k, a.keys * a.k_stride);
  call.memory(a.v, a.keys * a.v_stride);
  call.memory(a.packed, packed_keys_size(a.keys, a.dim, a.value_dim));
  call.work(0, 8 * uint64_t{a.keys} * (a.dim + a.value_dim));
}

/// Attention of one head: y = softmax over keys of (q k^T), times v. A factor of the scores, 1 / sqrt(dim), belongs into
/// q or the weights that make it. Keys are taken in tiles with a running maximum and sum: the memory needed does not
/// depend on their number.
///
/// Shapes    q [queries, dim] and y [queries, value_dim] with row strides; packed as PackKeys writes it. scratch:
///           attention_scratch() floats, one per concurrent caller, 64-byte aligned.
/// Requires  keys, dim, value_dim >= 1; y overlaps nothing else.
/// Numbers   as PyTorch: a row with a NaN or +infinity among its scores, or with nothing but -infinity, becomes NaN.
/// Accuracy  With s the largest sum |q k| over a query's keys and v_max the largest |v| of a column:
///             attention_tol * 2^-24 * ((dim + 4) * s + keys + 24) * v_max.
///           A row's bits depend on that row, the keys and the values, not on queries or on which rows are together.
/// Source    Milakov and Gimelshein, Online normalizer calculation for softmax, 2018; Dao et al., FlashAttention, 2022.
struct Attention {
  size_t queries = 0, keys = 0, dim = 0, value_dim = 0;
  const float* q = nullptr;
  size_t q_stride = 0;
  const float* packed = nullptr;
  float* y = nullptr;
  size_t y_stride = 0;
  float* scratch = nullptr;
};

constexpr float attention_tol = 2.0f;

/// Query rows and keys of one tile: its scores (12 KB) stay in the first-level cache with a panel of values (8 KB).
constexpr size_t k_attention_tile_rows = 24;
constexpr size_t k_attention_tile_keys = 128;

/// The scores of a tile, and each row's sum (a vector, 16 floats at most).
constexpr size_t attention_scratch() { return k_attention_tile_rows * (k_attention_tile_keys + 16); }

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Attention& a) {
  call.number("queries", a.queries);
  call.number("keys", a.keys);
  call.number("dim", a.dim);
  call.number("value_dim", a.value_dim);
  a.q_stride = a.dim;
  a.y_stride = a.value_dim;
  call.memory(a.q, a.queries * a.dim);
  call.memory(a.packed, packed_keys_size(a.keys, a.dim, a.value_dim));
  call.memory(a.y, a.queries * a.value_dim);
  call.memory(a.scratch, attention_scratch());
  call.work(uint64_t{a.queries} * a.keys * (a.dim + a.value_dim),
            4 * (uint64_t{a.queries} + a.keys) * (a.dim + a.value_dim));
}

}  // namespace lemore::kernels
