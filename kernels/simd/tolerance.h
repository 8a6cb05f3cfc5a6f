#pragma once

namespace lemore::kernels {

/// Largest error of exp (kernels/simd/math.h) in units in the last place. Over every 997th float
/// (tests/kernels/simd_test.cpp) it is 1.03. Below 2^-126 the unit is that of the denormals.
constexpr float exp_tol_ulp = 2.0f;

/// The same for sigmoid(x), x >= -87; measured 2.10. Below -87, where e^-x may overflow, the error is at most 2^-126.
constexpr float sigmoid_tol_ulp = 3.0f;

}  // namespace lemore::kernels
