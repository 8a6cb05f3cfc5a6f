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
  }
  return x;
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
