#pragma once

namespace lemore::kernels {

/// Largest error of exp (kernels/simd/math.h) in units in the last place, measured over all floats by
/// tests/kernels/math_test.cpp: 1.05 on ISAs with fused multiply-add, 1.31 on portable. Below 2^-126 the unit is that
/// of the denormals.
constexpr float exp_tol_ulp = 2.0f;

/// The same for sigmoid(x), x >= -87. Below, where e^-x may overflow, the error is at most 2^-126.
constexpr float sigmoid_tol_ulp = 4.0f;

}  // namespace lemore::kernels
