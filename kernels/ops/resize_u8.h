#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

// Resizes of 8-bit pixels that give every byte as the libraries do with which networks are trained and tested. All
// integers: the same bytes on every ISA. Pixels are c bytes (1 to 4 as a rule), rows lie row strides (bytes) apart.

/// One output coordinate of Pillow's resampling: the sum over i < count of weights[i] * x[begin + i].
struct ResampleTap {
  uint32_t begin, count;
};

/// Pillow's BILINEAR filter, which antialiases when it makes images smaller, along one axis:
///   y = clip((2^21 + sum of weights * x) >> 22, 0, 255), the weights in units of 2^-22.
/// Pillow resizes across first, rounds to 8 bits, then down: two calls. (Pillow 13 goes down first where the height
/// shrinks much more than the width, which changes single bytes. What is published was measured with those before.)
///
/// Shapes    across (down = false): y [rows, out, c] from x [rows, in, c], tap i for output column i.
///           down: y [rows, out, c] from x [in, out, c], tap row_begin + r for output row r; out is the width.
///           taps and weights as core::resample_taps makes them, tap i's weights at weights + i * weight_stride.
/// Requires  c <= 4 across. x and y do not overlap.
/// Source    Pillow, src/libImaging/Resample.c, ImagingResampleHorizontal_8bpc and ImagingResampleVertical_8bpc.
struct ResampleU8 {
  bool down = false;
  size_t rows = 0, out = 0, c = 0;
  size_t row_begin = 0;
  const uint8_t* x = nullptr;
  size_t x_stride = 0;
  const ResampleTap* taps = nullptr;
  const int32_t* weights = nullptr;
  size_t weight_stride = 0;
  uint8_t* y = nullptr;
  size_t y_stride = 0;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, ResampleU8& a) {
  call.number("down", a.down);
  call.number("rows", a.rows);
  call.number("out", a.out);
  call.number("c", a.c);
  const size_t from = call.resample_taps(a.taps, a.weights, a.weight_stride, a.row_begin, a.down ? a.rows : a.out);
  a.row_begin = 0;
  a.x_stride = (a.down ? a.out : from) * a.c;
  a.y_stride = a.out * a.c;
  const size_t read = (a.down ? from : a.rows) * a.x_stride;
  call.memory(a.x, read);
  call.memory(a.y, a.rows * a.y_stride);
  call.work(0, uint64_t{read} + a.rows * a.y_stride);
}

/// One output coordinate of OpenCV's linear resize of bytes: (w_lo * x[lo] + w_hi * x[hi]) / 2048.
struct LinearTapU8 {
  uint32_t lo, hi;
  int16_t w_lo, w_hi;
};

/// cv2.resize with INTER_LINEAR of 8-bit pixels, rows row_begin..row_end: across in 11-bit weights, then down with the
/// bits that its vector code keeps: y = (((w_lo * (a >> 4)) >> 16) + ((w_hi * (b >> 4)) >> 16) + 2) >> 2, a and b the
/// sums of the two source rows. Where both sides are halved exactly OpenCV takes the mean of four pixels instead,
/// (sum + 2) >> 2 (two channels: ties to even): halve.
///
/// Shapes    x [., ., c], y [row_end - row_begin, out_w, c], its first row is output row row_begin. taps_x [out_w] and
///           taps_y, indexed by the output row, as core::linear_taps_u8 makes them; unused with halve. scratch:
///           2 * out_w * c values, one per concurrent caller; unused with halve.
/// Requires  x and y do not overlap.
/// Source    OpenCV 4.x, modules/imgproc/src/resize.cpp: HResizeLinear, VResizeLinear<uchar, int, short>,
///           ResizeAreaFastVec.
struct ResizeLinearU8 {
  size_t out_w = 0, c = 0;
  size_t row_begin = 0, row_end = 0;
  bool halve = false;
  const uint8_t* x = nullptr;
  size_t x_stride = 0;
  const LinearTapU8* taps_x = nullptr;
  const LinearTapU8* taps_y = nullptr;
  uint8_t* y = nullptr;
  size_t y_stride = 0;
  int32_t* scratch = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, ResizeLinearU8& a) {
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  call.number("c", a.c);
  call.number("halve", a.halve);
  const size_t rows = a.row_end - a.row_begin;
  const size_t h = a.halve ? 2 * rows : call.linear_taps("h", a.taps_y, a.row_begin, a.row_end);
  const size_t w = a.halve ? 2 * a.out_w : call.linear_taps("w", a.taps_x, 0, a.out_w);
  a.x_stride = w * a.c;
  a.y_stride = a.out_w * a.c;
  call.memory(a.x, h * a.x_stride);
  call.memory(a.y, rows * a.y_stride);
  call.memory(a.scratch, 2 * a.out_w * a.c);
  call.work(0, uint64_t{h} * a.x_stride + rows * a.y_stride);
}

}  // namespace lemore::kernels
