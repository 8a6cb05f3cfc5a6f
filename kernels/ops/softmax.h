#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Softmax over the channels of each pixel: y = exp(x - max) / (sum of exp(x - max)).
///
/// Shapes    x, y [pixels, c] with row strides in elements; y may be x (same stride), else they do not overlap.
/// Requires  c >= 1.
/// Numbers   as PyTorch: a pixel that holds a NaN or +infinity, or nothing but -infinity, becomes NaN; -infinity
///           beside other values becomes 0.
/// Accuracy  relative: softmax_tol * 2^-24 * ((max - x) + c / 16 + 8), max that of the pixel; below 2^-100 absolute, 2^-124.
struct Softmax {
  size_t pixels = 0, c = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  float* y = nullptr;
  size_t y_stride = 0;
};

constexpr float softmax_tol = 2.0f;

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Softmax& a) {
  call.number("pixels", a.pixels);
  call.number("c", a.c);
  a.x_stride = a.y_stride = a.c;
  call.memory(a.x, a.pixels * a.c);
  call.memory(a.y, a.pixels * a.c);
  call.work(0, 8 * uint64_t{a.pixels} * a.c);
}

}  // namespace lemore::kernels
