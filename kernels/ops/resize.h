#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Where one output coordinate of a 1-D linear resize reads: (1 - t) * x[lo] + t * x[hi], with 0 <= t < 1 and
/// lo <= hi <= lo + 1. core::resize_taps makes them with half-pixel centres (align_corners = false) and clamps source
/// coordinates to the input.
///
/// Source    torch.nn.functional.interpolate, PyTorch 2.x documentation.
struct ResizeTap {
  uint32_t lo, hi;
  float t;
};

/// Bilinear resize of a channels-last map: rows row_begin..row_end of y [out_h, out_w, c] = resize of x [h, w, c], or
/// y += the resize with `accumulate`.
///
/// Shapes    x [h, w, c] and y [out_h, out_w, c] dense. taps_y has one entry for each output row, counted from the
///           first row of y; taps_x one for each output column.
/// Requires  x and y do not overlap.
/// Accuracy  resize_tol * 2^-24 * (max |x| + |y|), in PyTorch's order of operations:
///           (1 - ty) * ((1 - tx) * a + tx * b) + ty * ((1 - tx) * c + tx * d).
/// Source    torch.nn.functional.interpolate, mode "bilinear", align_corners = false.
struct Resize {
  size_t w = 0, c = 0, out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const ResizeTap* taps_y = nullptr;
  const ResizeTap* taps_x = nullptr;
  const float* x = nullptr;
  float* y = nullptr;
  bool accumulate = false;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Resize& a) {
  call.number("w", a.w);
  call.number("c", a.c);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("accumulate", a.accumulate);
  const size_t h = call.taps("h", a.taps_y, a.row_begin, a.row_end);
  call.taps_of(a.taps_x, a.w, a.out_w);
  const size_t out = a.row_end * a.out_w * a.c;
  call.memory(a.x, h * a.w * a.c);
  call.memory(a.y, out);
  call.work(0, 4 * (uint64_t{h} * a.w * a.c + uint64_t{out} * (a.accumulate ? 2 : 1)));
}

constexpr float resize_tol = 8.0f;

/// Gated fusion at the size of a feature map: y = local * resize(gate) + resize(globl), rows row_begin..row_end. The
/// vertical half of the resize comes first: all pixels between the same four tokens share it.
///
/// Shapes    local, y [out_h, out_w, c] dense; gate, globl [token_h, token_w, c] dense; taps as in Resize.
/// Requires  y may be local; it overlaps nothing else.
/// Accuracy  resize_tol * 2^-24 * (max |local| * max |gate| + max |globl|), rounded three more times.
/// Source    LeMoRe (ICIP 2025), the fusion of local features with the global tokens.
struct GatedFusion {
  size_t token_w = 0, c = 0, out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const ResizeTap* taps_y = nullptr;
  const ResizeTap* taps_x = nullptr;
  const float* local = nullptr;
  const float* gate = nullptr;
  const float* globl = nullptr;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, GatedFusion& a) {
  call.number("token_w", a.token_w);
  call.number("c", a.c);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  const size_t token_h = call.taps("token_h", a.taps_y, a.row_begin, a.row_end);
  call.taps_of(a.taps_x, a.token_w, a.out_w);
  const size_t out = a.row_end * a.out_w * a.c, tokens = token_h * a.token_w * a.c;
  call.memory(a.local, out);
  call.memory(a.gate, tokens, 0.0f, 1.0f);
  call.memory(a.globl, tokens);
  call.memory(a.y, out);
  call.work(0, 8 * (uint64_t{out} + tokens));
}

}  // namespace lemore::kernels
