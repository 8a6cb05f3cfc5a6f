#include "kernels/ops/layer_norm.h"

#include "kernels/simd/unroll.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

/// Vectors summed side by side: four hide the latency of an addition.
constexpr size_t k_chains = 4;

/// Calls step(chain, values) for all vectors of x, the chains in turn; lanes beyond c are those of `outside`.
template <class Step>
LEMORE_INLINE void for_vectors(const float* x, size_t c, Mask inside, Vec outside, const Step& step) {
  size_t i = 0;
  for (; c - i >= k_chains * Vec::lanes; i += k_chains * Vec::lanes) {
    LEMORE_UNROLL
    for (size_t k = 0; k < k_chains; ++k) step(k, load(x + i + k * Vec::lanes));
  }
  for (; c - i >= Vec::lanes; i += Vec::lanes) step(0, load(x + i));
  if (i < c) step(1, select(inside, load_n(x + i, c - i), outside));
}

/// Pixels worked on together: each step for all of them, so that a sum's latency hides behind the next pixel's.
constexpr size_t k_pixels = 8;

template <bool has_scale, bool has_shift>
LEMORE_INLINE void normalise(const LayerNorm& a) {
  const size_t c = a.c;
  const Mask inside = to_float(iota()) < set(static_cast<float>(c % Vec::lanes));
  const float count = 1.0f / static_cast<float>(c);
  float first[k_pixels] = {};  // the mean but for its rounding
  float off[k_pixels] = {}, square[k_pixels] = {};
  float factor[k_pixels], base[k_pixels];
  for (size_t begin = 0; begin < a.pixels; begin += k_pixels) {
    const size_t pixels = a.pixels - begin < k_pixels ? a.pixels - begin : k_pixels;
    const float* x = a.x + begin * a.x_stride;
    for (size_t p = 0; p < pixels; ++p) {
      Vec sum[k_chains] = {zero(), zero(), zero(), zero()};
      for_vectors(x + p * a.x_stride, c, inside, zero(), [&](size_t k, Vec v) { sum[k] = sum[k] + v; });
      first[p] = reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3])) * count;
    }
    for (size_t p = 0; p < pixels; ++p) {
      const Vec mean = set(first[p]);
      Vec sum[k_chains] = {zero(), zero(), zero(), zero()}, squares[k_chains] = {zero(), zero(), zero(), zero()};
      for_vectors(x + p * a.x_stride, c, inside, mean, [&](size_t k, Vec v) {
        const Vec d = v - mean;
        sum[k] = sum[k] + d;
        squares[k] = mul_add(d, d, squares[k]);
      });
      off[p] = reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]));
      square[p] = reduce_add((squares[0] + squares[1]) + (squares[2] + squares[3]));
    }
    for (size_t p = 0; p < k_pixels; ++p) {
      const float correction = off[p] * count;
      const float variance = square[p] * count - correction * correction;
      factor[p] = 1.0f / __builtin_sqrtf((variance < 0.0f ? 0.0f : variance) + a.eps);
      base[p] = correction * -factor[p];
    }
    for (size_t p = 0; p < pixels; ++p) {
      const float* from = x + p * a.x_stride;
      float* y = a.y + (begin + p) * a.y_stride;
      const Vec mean = set(first[p]), times = set(factor[p]), plus = set(base[p]);
      const auto finish = [&](size_t i, size_t n) {
        Vec v = mul_add(load_up_to(from + i, n) - mean, times, plus);
        if (has_scale && has_shift)
          v = mul_add(v, load_up_to(a.scale + i, n), load_up_to(a.shift + i, n));
        else if (has_scale)
          v = v * load_up_to(a.scale + i, n);
        else if (has_shift)
          v = v + load_up_to(a.shift + i, n);
        store_up_to(v, y + i, n);
      };
      size_t i = 0;
      for (; c - i >= Vec::lanes; i += Vec::lanes) finish(i, Vec::lanes);
      if (i < c) finish(i, c - i);
    }
  }
}

}  // namespace

void f32_layer_norm(const LayerNorm& a) {
  if (a.scale != nullptr && a.shift != nullptr)
    normalise<true, true>(a);
  else if (a.scale != nullptr)
    normalise<true, false>(a);
  else if (a.shift != nullptr)
    normalise<false, true>(a);
  else
    normalise<false, false>(a);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
