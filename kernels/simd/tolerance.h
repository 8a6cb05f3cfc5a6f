#pragma once

namespace lemore::kernels {

/// Largest error of exp (kernels/simd/math.h) in units in the last place. Over every 997th float
/// (tests/kernels/simd_test.cpp) it is 1.03. Below 2^-126 the unit is that of the denormals.
constexpr float exp_tol_ulp = 2.0f;

/// The same for sigmoid(x), x >= -87; measured 2.10. Below -87, where e^-x may overflow, the error is at most 2^-126.
constexpr float sigmoid_tol_ulp = 3.0f;

/// The same for exp2_softmax(x), -126 <= x <= 127; measured 1.36. Below, the error is at most 2^-126.
constexpr float exp2_tol_ulp = 2.0f;

/// The error of gelu(x) is at most gelu_tol * 2^-24 * |x|; measured 3.5 (4.9 on portable). It is relative to x, not to
/// the result: far below 0, where gelu vanishes, an absolute error of that size stays.
constexpr float gelu_tol = 6.0f;

}  // namespace lemore::kernels
