#include "kernels/ops/nested_attention.h"

#include "kernels/ops/gemm_microkernel.h"
#include "kernels/simd/math.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

/// psi (+)= softmax(scale * scores) of one row of `padded` values, of which the first `tokens` count. Scores are used
/// up.
void add_softmax(float* scores, size_t tokens, size_t padded, float scale, bool first, float* psi) {
  for (size_t i = tokens; i < padded; ++i) scores[i] = -__builtin_inff();  // e^-inf = 0: no tails below
  const Vec factor = set(scale);
  Vec largest = set(-__builtin_inff());
  for (size_t i = 0; i < padded; i += Vec::lanes) {
    const Vec scaled = load(scores + i) * factor;
    store(scaled, scores + i);
    largest = max(scaled, largest);
  }
  const Vec maximum = set(reduce_max(largest));
  Vec sum = zero();
  for (size_t i = 0; i < padded; i += Vec::lanes) {
    const Vec e = exp(load(scores + i) - maximum);
    store(e, scores + i);
    sum = sum + e;
  }
  const Vec share = set(1.0f / reduce_add(sum));
  for (size_t i = 0; i < padded; i += Vec::lanes)
    store(mul_add(load(scores + i), share, first ? zero() : load(psi + i)), psi + i);
}

}  // namespace

void f32_transpose_keys(const TransposeKeys& args) {
  for (size_t d = 0; d < args.key_dim; ++d) {
    float* y = args.y + d * args.y_stride;
    for (size_t t = 0; t < args.tokens; ++t) y[t] = args.x[t * args.x_stride + d];
    for (size_t t = args.tokens; t < args.y_stride; ++t) y[t] = 0.0f;
  }
}

void f32_nested_attention(const NestedAttention& args) {
  const size_t padded = (args.tokens + k_panel - 1) / k_panel * k_panel;
  float* scores = args.scratch;
  float* psi = args.scratch + k_attention_rows * padded;
  for (size_t row = args.row_begin; row < args.row_end; row += k_attention_rows) {
    const size_t rows = args.row_end - row < k_attention_rows ? args.row_end - row : k_attention_rows;
    for (size_t i = 0; i < args.branches; ++i) {
      for (size_t j = 0; j < args.branches; ++j) {
        Gemm qk = {};
        qk.lhs = args.q + row * args.q_stride + i * args.q_branch_stride;
        qk.lhs_stride = args.q_stride;
        qk.dst = scores;
        qk.dst_stride = padded;
        const Product p = {&qk, args.key_dim, 1, 0, args.keys_stride, k_panel, nullptr, nullptr};
        gemm_blocked(p, rows, args.tokens, args.keys + j * args.keys_branch_stride);
        for (size_t r = 0; r < rows; ++r)
          add_softmax(scores + r * padded, args.tokens, padded, args.scale, i + j == 0, psi + r * padded);
      }
    }
    Gemm pv = {};
    pv.m = rows;
    pv.n = args.value_dim;
    pv.k = args.tokens;
    pv.lhs = psi;
    pv.lhs_stride = padded;
    pv.rhs = args.v;
    pv.rhs_k_stride = args.v_stride;
    pv.rhs_panel_stride = k_panel;
    pv.rhs_padded = false;
    pv.dst = args.y + row * args.y_stride;
    pv.dst_stride = args.y_stride;
    pv.activation = args.activation;
    f32_gemm(pv);
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
