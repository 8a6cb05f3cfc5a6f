#pragma once

namespace lemore::kernels {

/// Activations a kernel can apply to a value before it is stored.
/// relu6(x) = min(max(x, 0), 6); hardswish(x) = x * relu6(x + 3) / 6; sigmoid(x) = 1 / (1 + exp(-x)).
/// gelu(x) = x / 2 * (1 + erf(x / sqrt 2)), not its tanh form. NaN stays NaN on every ISA.
enum class Activation : unsigned char { none, relu, relu6, hardswish, sigmoid, gelu };

}  // namespace lemore::kernels
