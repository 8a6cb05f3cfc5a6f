#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/resize.h"

namespace lemore::kernels {

/// 8-bit image rows to the network's input, (resize(pixel) - mean[i]) * inv_std[i]: bilinear resize, choice of
/// channels and normalisation in one pass. Alpha is ignored.
///
/// Shapes    pixels: row y at pixels + y * row_bytes, pixel_bytes bytes a pixel; channel i of the result is byte
///           channel[i] of a pixel (gray: 0, 0, 0).
///           dst: row y at dst + y * dst_stride, out_w pixels of 3 floats; dst may be the interior of a map with a
///           border. Rows row_begin..row_end. taps as in Resize.
///           identity: the image has the size of the input. Rows are only converted and normalised; taps are not read.
/// Units     mean and inv_std in those of the bytes, 0..255.
/// Accuracy  preprocess_tol * 2^-24 * 255 * max inv_std.
struct Preprocess {
  size_t out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const uint8_t* pixels = nullptr;
  size_t row_bytes = 0, pixel_bytes = 3;
  unsigned char channel[3] = {0, 1, 2};
  bool identity = false;
  const ResizeTap* taps_y = nullptr;
  const ResizeTap* taps_x = nullptr;
  float mean[3] = {0, 0, 0};
  float inv_std[3] = {1, 1, 1};
  float* dst = nullptr;
  size_t dst_stride = 0;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Preprocess& a) {
  size_t w = a.row_bytes / a.pixel_bytes;
  call.number("w", w);
  call.number("pixel_bytes", a.pixel_bytes);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("identity", a.identity);
  const size_t h = call.taps("h", a.taps_y, a.row_begin, a.row_end);
  call.taps_of(a.taps_x, w, a.out_w);
  a.row_bytes = w * a.pixel_bytes;
  if (a.pixel_bytes < 3) a.channel[1] = a.channel[2] = 0;
  a.dst_stride = 3 * a.out_w;
  call.memory(a.pixels, h * a.row_bytes);
  call.memory(a.dst, a.row_end * a.dst_stride);
  call.work(0, uint64_t{h} * a.row_bytes + 4 * uint64_t{a.row_end} * a.dst_stride);
}

constexpr float preprocess_tol = 8.0f;

/// A row of three planes to channels-last: y[3 * i + k] = x[k][i], i < n. Exact.
///
/// Shapes    each x[k] [n]; y [n, 3] dense.
/// Requires  y overlaps no plane.
struct Interleave {
  size_t n = 0;
  const float* x[3] = {nullptr, nullptr, nullptr};
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Interleave& a) {
  call.number("n", a.n);
  for (const float*& plane : a.x) call.memory(plane, a.n, -2.0f, 2.0f);
  call.memory(a.y, 3 * a.n);
  call.work(0, 24 * uint64_t{a.n});
}

}  // namespace lemore::kernels
