#include "kernels/ops/conv.h"

#include "kernels/ops/gemm_microkernel.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

/// The n taps of one axis, from `start`, that lie inside 0..size.
struct Taps {
  size_t begin, end;
};

LEMORE_INLINE Taps taps_inside(ptrdiff_t start, size_t n, size_t size) {
  Taps taps = {start < 0 ? static_cast<size_t>(-start) : 0, n};
  const ptrdiff_t room = static_cast<ptrdiff_t>(size) - start;
  if (room < static_cast<ptrdiff_t>(n)) taps.end = room > 0 ? static_cast<size_t>(room) : 0;
  if (taps.end < taps.begin) taps = {0, 0};
  return taps;
}

LEMORE_INLINE ptrdiff_t window_start(size_t output, size_t stride, size_t pad) {
  return static_cast<ptrdiff_t>(output * stride) - static_cast<ptrdiff_t>(pad);
}

/// Copies, or zeros, in whole vectors: what lies behind the last value is written too.
LEMORE_INLINE void copy_over(const float* from, size_t n, float* to) {
  for (size_t i = 0; i < n; i += Vec::lanes) store(load_up_to(from + i, n - i), to + i);
}
LEMORE_INLINE void zero_over(size_t n, float* to) {
  for (size_t i = 0; i < n; i += Vec::lanes) store(zero(), to + i);
}

/// The window of output (row, column), kh * kw * c values with zeros for what lies outside the map.
void copy_window(const Conv& args, size_t row, size_t column, float* to) {
  const size_t c = args.c, line = args.kw * c;
  const ptrdiff_t top = window_start(row, args.stride, args.pad_top);
  const ptrdiff_t left = window_start(column, args.stride, args.pad_left);
  const Taps rows = taps_inside(top, args.kh, args.h), columns = taps_inside(left, args.kw, args.w);
  for (size_t a = 0; a < args.kh; ++a, to += line) {
    if (a < rows.begin || a >= rows.end || columns.begin == columns.end) {
      zero_over(line, to);
      continue;
    }
    const size_t y = static_cast<size_t>(top + static_cast<ptrdiff_t>(a));
    const size_t x = static_cast<size_t>(left + static_cast<ptrdiff_t>(columns.begin));
    // In order, so that each piece overwrites what the one before it wrote too far.
    zero_over(columns.begin * c, to);
    copy_over(args.x + y * args.x_stride + x * c, (columns.end - columns.begin) * c, to + columns.begin * c);
    zero_over((args.kw - columns.end) * c, to + columns.end * c);
  }
}

Gemm product_of(const Conv& args) {
  Gemm g = {};
  g.dst_stride = args.y_stride;
  g.bias = args.bias;
  g.activation = args.activation;
  return g;
}

/// Outputs first..end of the share, counted row by row: their windows are copied, which then are the rows of a product.
void copied_outputs(const Conv& args, size_t first, size_t end) {
  const size_t k = args.kh * args.kw * args.c;
  Gemm g = product_of(args);
  g.lhs = args.scratch;
  g.lhs_stride = k;
  const Product p = {&g, k, 1, 0, k_panel, k * k_panel, nullptr, nullptr};
  size_t row = args.row_begin + first / args.out_w, column = first % args.out_w;
  for (size_t at = first; at < end; at += k_conv_pixels) {
    const size_t pixels = end - at < k_conv_pixels ? end - at : k_conv_pixels;
    for (size_t i = 0; i < pixels; ++i) {
      copy_window(args, row, column, args.scratch + i * k);
      if (++column == args.out_w) column = 0, ++row;
    }
    g.dst = args.y + at * args.y_stride;
    gemm_blocked(p, pixels, args.out_c, args.weight);
  }
}

/// One output column of all rows, by copied windows.
void copied_column(const Conv& args, size_t column) {
  const size_t k = args.kh * args.kw * args.c;
  Gemm g = product_of(args);
  g.lhs = args.scratch;
  g.lhs_stride = k;
  g.dst_stride = args.out_w * args.y_stride;
  const Product p = {&g, k, 1, 0, k_panel, k * k_panel, nullptr, nullptr};
  for (size_t row = args.row_begin; row < args.row_end; row += k_conv_pixels) {
    const size_t rows = args.row_end - row < k_conv_pixels ? args.row_end - row : k_conv_pixels;
    for (size_t i = 0; i < rows; ++i) copy_window(args, row + i, column, args.scratch + i * k);
    g.dst = args.y + ((row - args.row_begin) * args.out_w + column) * args.y_stride;
    gemm_blocked(p, rows, args.out_c, args.weight);
  }
}

/// Columns begin..end, whose windows lie inside the map's columns, from the map itself: a window is as many runs of
/// kw * c values as it has rows inside, and the next output's begins `stride` pixels on.
void direct_columns(const Conv& args, size_t begin, size_t end) {
  const size_t line = args.kw * args.c;
  Gemm g = product_of(args);
  g.lhs_stride = args.stride * args.c;
  for (size_t row = args.row_begin; row < args.row_end; ++row) {
    const ptrdiff_t top = window_start(row, args.stride, args.pad_top);
    const Taps rows = taps_inside(top, args.kh, args.h);
    const Product p = {&g,      line,   rows.end - rows.begin, args.x_stride, k_panel, args.kh * line * k_panel,
                       nullptr, nullptr};
    g.lhs = args.x + (begin * args.stride - args.pad_left) * args.c;
    if (p.runs > 0) g.lhs += static_cast<size_t>(top + static_cast<ptrdiff_t>(rows.begin)) * args.x_stride;
    g.dst = args.y + ((row - args.row_begin) * args.out_w + begin) * args.y_stride;
    gemm_blocked(p, end - begin, args.out_c, args.weight + rows.begin * line * k_panel);
  }
}

/// Copying a window costs about 1.3 / lanes cycles a value, its products out_c / (2 * lanes): 2.6 / out_c of the
/// time. The last rows of a product, fewer than a tile, cost as much as some five more would: 5 / columns of the time.
bool worth_direct(const Conv& args, size_t columns) { return columns >= 2 * args.out_c; }

}  // namespace

void f32_conv(const Conv& args) {
  if (args.out_w == 0 || args.row_end <= args.row_begin) return;
  // Inside: o * stride >= pad_left and o * stride - pad_left + kw <= w.
  const size_t fitting = args.w + args.pad_left >= args.kw ? (args.w + args.pad_left - args.kw) / args.stride + 1 : 0;
  const size_t end = fitting < args.out_w ? fitting : args.out_w;
  const size_t first = (args.pad_left + args.stride - 1) / args.stride;
  if (end <= first || !worth_direct(args, end - first))
    return copied_outputs(args, 0, (args.row_end - args.row_begin) * args.out_w);
  for (size_t column = 0; column < first; ++column) copied_column(args, column);
  direct_columns(args, first, end);
  for (size_t column = end; column < args.out_w; ++column) copied_column(args, column);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
