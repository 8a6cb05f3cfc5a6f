#include "kernels/ops/attention.h"

#include "kernels/ops/gemm_microkernel.h"
#include "kernels/simd/math.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

void f32_pack_keys(const PackKeys& a) {
  const size_t panel_end = (a.key_end + k_panel - 1) / k_panel * k_panel;
  for (size_t t = a.key_begin; t < panel_end; ++t) {
    float* y = a.packed + t / k_panel * k_panel * a.dim + t % k_panel;
    const float* k = a.k + t * a.k_stride;
    for (size_t d = 0; d < a.dim; ++d) y[d * k_panel] = t < a.key_end ? k[d] * 1.44269504f : 0.0f;
  }
  float* values = a.packed + (a.keys + k_panel - 1) / k_panel * k_panel * a.dim;
  for (size_t col = 0; col < a.value_dim; col += k_panel, values += a.keys * k_panel) {
    for (size_t t = a.key_begin; t < a.key_end; ++t) {
      const float* v = a.v + t * a.v_stride;
      for (size_t j = 0; j < k_panel; j += Vec::lanes)
        store(col + j < a.value_dim ? load_up_to(v + col + j, a.value_dim - col - j) : zero(),
              values + t * k_panel + j);
    }
  }
}

namespace {

/// Rows of a block, rounded up to whole vectors on every ISA.
constexpr size_t k_rows = (k_attention_tile_rows + 15) / 16 * 16;

/// The scores of one row as whole vectors: 0..n, and what lies behind in the last vector is -infinity.
LEMORE_INLINE size_t pad(float* scores, size_t n) {
  const size_t padded = (n + Vec::lanes - 1) / Vec::lanes * Vec::lanes;
  for (size_t i = n; i < padded; ++i) scores[i] = -__builtin_inff();
  return padded;
}

/// The largest of n scores, n a multiple of the lanes; not a NaN.
LEMORE_INLINE float largest(const float* scores, size_t n) {
  Vec a = set(-__builtin_inff()), b = a;
  size_t i = 0;
  for (; n - i >= 2 * Vec::lanes; i += 2 * Vec::lanes) {
    a = max(load(scores + i), a);
    b = max(load(scores + i + Vec::lanes), b);
  }
  if (i < n) a = max(load(scores + i), a);
  return reduce_max(max(a, b));
}

/// scores[i] = 2^(scores[i] - reference) for i < n, a multiple of the lanes; gives sum plus all of them.
LEMORE_INLINE Vec soften(float* scores, size_t n, Vec reference, Vec sum) {
  Vec other = zero();
  size_t i = 0;
  for (; n - i >= 2 * Vec::lanes; i += 2 * Vec::lanes) {
    const Vec e = exp2_softmax(load(scores + i) - reference);
    const Vec f = exp2_softmax(load(scores + i + Vec::lanes) - reference);
    store(e, scores + i);
    store(f, scores + i + Vec::lanes);
    sum = sum + e;
    other = other + f;
  }
  if (i < n) {
    const Vec e = exp2_softmax(load(scores + i) - reference);
    store(e, scores + i);
    sum = sum + e;
  }
  return sum + other;
}

/// What a block of rows keeps between tiles of keys; every row in a lane of some vector.
struct Running {
  alignas(64) float maximum[k_rows];    ///< of the scores so far
  alignas(64) float reference[k_rows];  ///< what is subtracted: the maximum if it is finite
  alignas(64) float factor[k_rows];     ///< from the reference before to this one
};

/// Takes the largest score of a tile along, a step of its own for all rows: its latency would show in each of them.
LEMORE_INLINE void raise(Running& running, const float* tile_maximum) {
  const Vec lowest = set(-__builtin_inff());
  for (size_t r = 0; r < k_rows; r += Vec::lanes) {
    const Vec before = load(running.maximum + r), after = max(load(tile_maximum + r), before);
    // Nothing but -infinity so far: any finite reference makes e^-infinity = 0 of it.
    const Vec reference = select(after == lowest, zero(), after);
    store(after, running.maximum + r);
    store(reference, running.reference + r);
    store(exp2_softmax(before - reference), running.factor + r);
  }
}

/// y[0..n) *= factor
LEMORE_INLINE void multiply_by(float* y, size_t n, float factor) {
  for (size_t i = 0; i < n; i += Vec::lanes) store_up_to(load_up_to(y + i, n - i) * set(factor), y + i, n - i);
}

}  // namespace

void f32_attention(const Attention& a) {
  constexpr size_t tile_keys = k_attention_tile_keys;
  float* const scores = a.scratch;
  float* const sums = scores + k_attention_tile_rows * tile_keys;  // a vector a row
  const float* const values = a.packed + (a.keys + k_panel - 1) / k_panel * k_panel * a.dim;
  for (size_t row = 0; row < a.queries; row += k_attention_tile_rows) {
    const size_t rows = a.queries - row < k_attention_tile_rows ? a.queries - row : k_attention_tile_rows;
    float* const y = a.y + row * a.y_stride;
    Running running;
    alignas(64) float tile_maximum[k_rows];
    for (size_t r = 0; r < k_rows; ++r) running.maximum[r] = tile_maximum[r] = -__builtin_inff();
    for (size_t r = 0; r < rows; ++r) store(zero(), sums + r * Vec::lanes);
    Gemm qk = {};
    qk.lhs = a.q + row * a.q_stride;
    qk.lhs_stride = a.q_stride;
    qk.dst = scores;
    qk.dst_stride = tile_keys;
    const Product score = {&qk, a.dim, 1, 0, k_panel, k_panel * a.dim, nullptr, nullptr};
    Gemm pv = {};
    pv.lhs = scores;
    pv.lhs_stride = tile_keys;
    pv.dst = y;
    pv.dst_stride = a.y_stride;
    for (size_t key = 0; key < a.keys; key += tile_keys) {
      const size_t n = a.keys - key < tile_keys ? a.keys - key : tile_keys;
      gemm_panels(score, a.packed + key * a.dim, 0, rows, 0, n);
      for (size_t r = 0; r < rows; ++r) {
        float* s = scores + r * tile_keys;
        tile_maximum[r] = largest(s, pad(s, n));
      }
      raise(running, tile_maximum);
      const size_t padded = (n + Vec::lanes - 1) / Vec::lanes * Vec::lanes;
      for (size_t r = 0; r < rows; ++r) {
        const Vec before = load(sums + r * Vec::lanes) * set(running.factor[r]);
        store(soften(scores + r * tile_keys, padded, set(running.reference[r]), before), sums + r * Vec::lanes);
        if (key > 0 && running.factor[r] != 1.0f) multiply_by(y + r * a.y_stride, a.value_dim, running.factor[r]);
      }
      pv.accumulate = key > 0;
      const Product product = {&pv, n, 1, 0, k_panel, k_panel * a.keys, nullptr, nullptr};
      gemm_panels(product, values + key * k_panel, 0, rows, 0, a.value_dim);
    }
    for (size_t r = 0; r < rows; ++r)
      multiply_by(y + r * a.y_stride, a.value_dim, 1.0f / reduce_add(load(sums + r * Vec::lanes)));
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
