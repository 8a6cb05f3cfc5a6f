#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// Gates along the height and the width of a channels-last map, and a residual: y = x * a_h[row] * a_w[column] + skip.
/// Each of a_h, a_w and skip may be null and is then left out; a_h alone, one for all rows, is channel attention.
///
/// Shapes    x, skip, y [rows, w, c] dense; a_w [w, c]; a_h [rows, c], or [c] for every row with a_h_stride = 0 (else
///           a_h_stride = c).
/// Requires  y may be x or skip; it overlaps nothing else.
/// Accuracy  gate_tol * 2^-24 * (|x * a_h * a_w| + |skip|): at most three roundings.
/// Source    LeMoRe (ICIP 2025), coordinate attention at the end of a Cartesian block.
struct Gate {
  size_t rows = 0, w = 0, c = 0;
  const float* x = nullptr;
  const float* a_h = nullptr;
  size_t a_h_stride = 0;
  const float* a_w = nullptr;
  const float* skip = nullptr;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Gate& a) {
  call.number("rows", a.rows);
  call.number("w", a.w);
  call.number("c", a.c);
  call.number("a_h_stride", a.a_h_stride);
  const size_t values = a.rows * a.w * a.c;
  call.memory(a.x, values);
  call.optional("a_h", a.a_h, a.rows * a.c);
  call.optional("a_w", a.a_w, a.w * a.c);
  call.optional("skip", a.skip, values);
  call.memory(a.y, values);
  call.work(0, 4 * uint64_t{values} * (a.skip != nullptr ? 3 : 2));
}

constexpr float gate_tol = 4.0f;

/// Scale and bias by channel: y[p, i] = activation(x[p, i] * scale[i] + bias[i]) for p < pixels, i < c.
///
/// Shapes    x, y [pixels, c] dense; scale, bias [c].
/// Requires  y may be x; it overlaps nothing else.
/// Accuracy  2 * 2^-24 * (|x * scale| + |bias|), then that of the activation (kernels/simd/tolerance.h).
struct ScaleBias {
  size_t pixels = 0, c = 0;
  const float* x = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, ScaleBias& a) {
  call.number("pixels", a.pixels);
  call.number("c", a.c);
  call.number("activation", a.activation);
  call.memory(a.x, a.pixels * a.c);
  call.memory(a.scale, a.c);
  call.memory(a.bias, a.c);
  call.memory(a.y, a.pixels * a.c);
  call.work(0, 8 * uint64_t{a.pixels} * a.c);
}

}  // namespace lemore::kernels
