#pragma once

#include "kernels/ops/activation.h"
#include "kernels/simd/tolerance.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

/// e^x for every float within exp_tol_ulp: overflow gives infinity, underflow goes through the denormals to 0, NaN
/// stays NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2^n e^r. e^r = 1 + r + r^2 q(r), q of degree 4 through (e^r - 1 - r) /
/// r^2 at the Chebyshev nodes of that interval: relative error 1.1e-8, a fifth of a unit in the last place.
LEMORE_INLINE Vec exp(Vec x) {
  // Beyond these the result is 0 or infinity anyway, and 2^n fits two normal factors.
  x = min(set(90.0f), max(set(-105.0f), x));
  const Int n = to_int(x * set(1.44269504f));  // anything for NaN: r carries it on
  const Vec nf = to_float(n);
  // ln 2 in two parts: 0.693359375 = 355 / 512 has so few bits that n times it is exact.
  Vec r = neg_mul_add(nf, set(0.693359375f), x);
  r = neg_mul_add(nf, set(-2.12194440e-4f), r);
  Vec q = set(1.39269268e-3f);
  q = mul_add(q, r, set(8.36377405e-3f));
  q = mul_add(q, r, set(4.16665487e-2f));
  q = mul_add(q, r, set(1.66665733e-1f));
  q = mul_add(q, r, set(0.5f));
  const Vec p = mul_add(q, r * r, r) + set(1.0f);
  const Int low = half(n);
  return p * pow2(low) * pow2(n - low);
}

/// 1 / (1 + e^-x) within sigmoid_tol_ulp.
LEMORE_INLINE Vec sigmoid(Vec x) { return set(1.0f) / (set(1.0f) + exp(-x)); }

/// 2^x for x <= 127 within exp2_tol_ulp, about half the work of exp: NaN stays NaN, and what would be below 2^-126.5 is
/// 0. For softmax, where the largest x is 0.
///
/// x = n + r with |r| <= 1/2. Adding 1.5 * 2^23 + 127 rounds x to n and leaves n + 127, the exponent field of 2^n, in
/// the low bits. 2^r = 1 + r q(r), q of degree 5, the minimax polynomial of the relative error: 2e-9.
LEMORE_INLINE Vec exp2_softmax(Vec x) {
  const Vec shift = set(12583039.0f);
  x = max(set(-127.0f), x);
  const Vec t = x + shift;
  const Vec r = x - (t - shift);
  Vec q = set(1.5353362e-4f);
  q = mul_add(q, r, set(1.3398875e-3f));
  q = mul_add(q, r, set(9.61843692e-3f));
  q = mul_add(q, r, set(5.55033237e-2f));
  q = mul_add(q, r, set(0.240226477f));
  q = mul_add(q, r, set(0.693147182f));
  return mul_add(q, r, set(1.0f)) * low_bits_to_exponent(t);
}

/// x / 2 * (1 + erf(x / sqrt 2)) within gelu_tol: 0 at -infinity, NaN stays NaN.
///
/// Phi(x) = 1/2 + x p(2 x^2 / 5.3^2 - 1), p of degree 14, the minimax polynomial of the absolute error of Phi on
/// |x| <= 5.3: a third of 2^-24. Beyond, Phi is 0 or 1 to 2^-24. A polynomial because a division costs as much as ten
/// multiply-adds; in even and odd parts, so that two chains run side by side.
LEMORE_INLINE Vec gelu(Vec x) {
  const Vec square = x * x;
  const Vec t = mul_add(square, set(0.0711997151f), set(-1.0f)), t2 = t * t;
  Vec even = set(2.83630652e-4f), odd = set(-7.6456595e-4f);
  even = mul_add(even, t2, set(7.32077227e-4f));
  odd = mul_add(odd, t2, set(-1.09594723e-3f));
  even = mul_add(even, t2, set(3.13493237e-3f));
  odd = mul_add(odd, t2, set(-5.84955094e-3f));
  even = mul_add(even, t2, set(8.8281678e-3f));
  odd = mul_add(odd, t2, set(-1.31854741e-2f));
  even = mul_add(even, t2, set(1.89258363e-2f));
  odd = mul_add(odd, t2, set(-2.52983011e-2f));
  even = mul_add(even, t2, set(3.20795216e-2f));
  odd = mul_add(odd, t2, set(-3.95889319e-2f));
  even = mul_add(even, t2, set(4.92641628e-2f));
  odd = mul_add(odd, t2, set(-6.65185079e-2f));
  even = mul_add(even, t2, set(0.133392558f));
  const Vec phi = mul_add(mul_add(odd, t, even), x, set(0.5f));
  return select(square > set(28.09f), max(zero(), x), x * phi);
}

// Constants first in min and max: they keep a NaN of the second operand.
LEMORE_INLINE Vec relu(Vec x) { return max(zero(), x); }
LEMORE_INLINE Vec relu6(Vec x) { return min(set(6.0f), max(zero(), x)); }
LEMORE_INLINE Vec hardswish(Vec x) { return x * relu6(x + set(3.0f)) * set(1.0f / 6.0f); }

/// A branch a call: fine once per stored vector, where it is predicted. Hot loops take the activation out of the loop.
LEMORE_INLINE Vec activate(Vec x, Activation activation) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return relu(x);
    case Activation::relu6:
      return relu6(x);
    case Activation::hardswish:
      return hardswish(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::gelu:
#if !LEMORE_WITHOUT_TRANSFORMERS
      return gelu(x);
#endif
      break;
  }
  return x;
}

/// n values in place.
LEMORE_INLINE void activate_values(float* y, size_t n, Activation activation) {
  size_t i = 0;
#if !LEMORE_WITHOUT_TRANSFORMERS
  if (activation == Activation::gelu) {  // hot in a transformer, and long enough that two vectors at once hide more
    for (; n - i >= 2 * Vec::lanes; i += 2 * Vec::lanes) {
      const Vec a = gelu(load(y + i)), b = gelu(load(y + i + Vec::lanes));
      store(a, y + i);
      store(b, y + i + Vec::lanes);
    }
  }
#endif
  for (; i < n; i += Vec::lanes) store_up_to(activate(load_up_to(y + i, n - i), activation), y + i, n - i);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
