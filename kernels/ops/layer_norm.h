#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Layer normalisation over the channels of each pixel: y = (x - mean) / sqrt(variance + eps) * scale + shift, the
/// variance that of all c channels (divided by c).
///
/// Shapes    x, y [pixels, c] with row strides in elements; scale, shift [c], either may be null.
/// Requires  c >= 1; y may be x (same stride), else they do not overlap.
/// Numbers   a pixel that holds a NaN or an infinity becomes NaN, others do not see it.
/// Accuracy  With z = (x - mean) / sqrt(variance + eps):
///             layer_norm_tol * 2^-24 * (c / 16 + 8) * (|scale| * (1 + |z|) + |shift|), at any mean up to 2^20 times
///           the deviation: both moments are of x minus a first mean, and correct it.
/// Source    torch.nn.functional.layer_norm, PyTorch 2.x documentation.
struct LayerNorm {
  size_t pixels = 0, c = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  float eps = 1e-6f;
  float* y = nullptr;
  size_t y_stride = 0;
};

constexpr float layer_norm_tol = 1.0f;

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, LayerNorm& a) {
  call.number("pixels", a.pixels);
  call.number("c", a.c);
  a.x_stride = a.y_stride = a.c;
  call.memory(a.x, a.pixels * a.c);
  call.optional("scale", a.scale, a.c);
  call.optional("shift", a.shift, a.c);
  call.memory(a.y, a.pixels * a.c);
  call.work(0, 8 * uint64_t{a.pixels} * a.c);
}

}  // namespace lemore::kernels
