#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/activation.h"

namespace lemore::kernels {

/// The end of a Cartesian block: y = x * a_h[h, c] * a_w[w, c] + skip, for rows of a channels-last map.
///
/// Shapes    x, skip, y [rows, w, c] dense; a_h [rows, c] dense or, with a_h_stride = 0, one [c] for every row; a_w [w,
/// c].
///           a_h, a_w, skip may be null: without a_w this is channel attention, without both a plain sum.
/// Requires  y may be x or skip.
/// Accuracy  four roundings: gate_tol * 2^-24 * (|x a_h a_w| + |skip|).
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

/// y[p, i] = activation(x[p, i] * scale[i] + bias[i]) for p < pixels, i < c. y may be x. Strides are dense.
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
