#include "kernels/ops/dwconv.h"

#include "kernels/ops/declare.h"
#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

/// Output pixels worked on together: each weight is loaded once for all of them. Registers: 8 sums + up to 5 weights of
/// a kernel row + 1 product = 14 of 16.
constexpr size_t k_pixels = 8;

/// Input floats below a block of output columns: all channels are swept over it while it stays in the first-level
/// cache.
constexpr size_t k_block_floats = 4096;

/// The taps of a kernel that lie inside the image for neighbouring output pixels: x is the input under the first of
/// them (of the first pixel), weight its weight, both at channel 0.
struct Window {
  size_t taps_h, taps_w;
  const float* x;
  const float* weight;
};

/// Taps of one axis: those of the k taps at start + i * dilation that fall in 0..size.
struct Span {
  size_t begin, end;
};

Span inside(ptrdiff_t start, size_t k, size_t dilation, size_t size) {
  const auto outside = [=](size_t i) {
    const ptrdiff_t at = start + static_cast<ptrdiff_t>(i * dilation);
    return at < 0 || at >= static_cast<ptrdiff_t>(size);
  };
  Span span = {0, k};
  while (span.begin < k && outside(span.begin)) ++span.begin;
  while (span.end > span.begin && outside(span.end - 1)) --span.end;
  return span;
}

/// n channels (a vector, or less when partial) from channel i of `pixels` neighbouring outputs from pixel `first` of
/// the window. kw > 0 is taps_w, known here. A sum begins with the bias and takes the taps row by row wherever the
/// pixel lies.
template <size_t kw, size_t pixels, bool partial>
LEMORE_INLINE void convolve(const DepthwiseConv& args, const Window& window, size_t first, size_t i, size_t n,
                            float* y) {
  const auto read = [n](const float* p) { return partial ? load_n(p, n) : load(p); };
  const size_t pixel_step = args.stride * args.c, tap_step = args.dilation * args.c;
  const float* x = window.x + first * pixel_step + i;
  const float* weight = window.weight + i;
  Vec sum[pixels];
  const Vec bias = args.bias != nullptr ? read(args.bias + i) : zero();
  LEMORE_UNROLL
  for (size_t p = 0; p < pixels; ++p) sum[p] = bias;
  for (size_t row = 0; row < window.taps_h; ++row) {
    if constexpr (kw > 0) {
      Vec w[kw];
      LEMORE_UNROLL
      for (size_t j = 0; j < kw; ++j) w[j] = read(weight + j * args.c);
      const float* from = x;
      LEMORE_UNROLL
      for (size_t p = 0; p < pixels; ++p) {
        LEMORE_UNROLL
        for (size_t j = 0; j < kw; ++j) sum[p] = mul_add(read(from + j * tap_step), w[j], sum[p]);
        from += pixel_step;
      }
    } else {
      for (size_t j = 0; j < window.taps_w; ++j) {
        const Vec w = read(weight + j * args.c);
        const float* from = x + j * tap_step;
        LEMORE_UNROLL
        for (size_t p = 0; p < pixels; ++p) {
          sum[p] = mul_add(read(from), w, sum[p]);
          from += pixel_step;
        }
      }
    }
    x += args.dilation * args.w * args.c;
    weight += args.kw * args.c;
  }
  y += first * args.c + i;
  const bool is_relu6 = args.activation == Activation::relu6;
  LEMORE_UNROLL
  for (size_t p = 0; p < pixels; ++p) {
    if (is_relu6) sum[p] = relu6(sum[p]);
    if (partial)
      store_n(sum[p], y + p * args.c, n);
    else
      store(sum[p], y + p * args.c);
  }
}

/// All channels of `pixels` neighbouring outputs, y the first.
template <size_t kw>
void sweep(const DepthwiseConv& args, const Window& window, size_t pixels, float* y) {
  for (size_t i = 0; i < args.c; i += Vec::lanes) {
    const size_t n = args.c - i;
    size_t p = 0;
    if (n >= Vec::lanes) {
      for (; pixels - p >= k_pixels; p += k_pixels) convolve<kw, k_pixels, false>(args, window, p, i, n, y);
      for (; p < pixels; ++p) convolve<kw, 1, false>(args, window, p, i, n, y);
    } else {
      for (; p < pixels; ++p) convolve<kw, 1, true>(args, window, p, i, n, y);
    }
  }
  if (args.activation == Activation::none || args.activation == Activation::relu6) return;
  const size_t values = pixels * args.c;
  for (size_t i = 0; i < values; i += Vec::lanes)  // the others are rare here: a pass of their own
    store_up_to(activate(load_up_to(y + i, values - i), args.activation), y + i, values - i);
}

/// Outputs begin..end of a row, whose taps in the row axis are rows.begin..rows.end and all in the column axis.
void sweep_interior(const DepthwiseConv& args, const Window& window, size_t pixels, float* y) {
  switch (args.kw) {
    case 1:
      return sweep<1>(args, window, pixels, y);
    case 3:
      return sweep<3>(args, window, pixels, y);
    case 5:
      return sweep<5>(args, window, pixels, y);
    default:
      return sweep<0>(args, window, pixels, y);
  }
}

}  // namespace

void f32_dwconv(const DepthwiseConv& args) {
  const size_t stride = args.stride, dilation = args.dilation, c = args.c;
  const size_t pad_h = dilation * (args.kh - 1) / 2, pad_w = dilation * (args.kw - 1) / 2;
  const size_t out_w = (args.w + stride - 1) / stride;
  // Interior: x * stride >= pad_w and x * stride + pad_w < w.
  const size_t interior_end = args.w > pad_w ? (args.w - pad_w - 1) / stride + 1 : 0;
  const size_t first_inside = (pad_w + stride - 1) / stride;
  const size_t interior_begin = first_inside < interior_end ? first_inside : interior_end;
  size_t block = k_block_floats / (args.kh * stride * c + 1) / k_pixels * k_pixels;
  if (block < k_pixels) block = k_pixels;

  for (size_t row = args.row_begin; row < args.row_end; ++row) {
    const ptrdiff_t y0 = static_cast<ptrdiff_t>(row * stride) - static_cast<ptrdiff_t>(pad_h);
    const Span rows = inside(y0, args.kh, dilation, args.h);
    const float* x = args.x + (static_cast<size_t>(y0 + static_cast<ptrdiff_t>(rows.begin * dilation))) * args.w * c;
    const float* weight = args.weight + rows.begin * args.kw * c;
    float* y = args.y + row * out_w * c;
    for (size_t column = 0; column < out_w;) {
      if (column >= interior_begin && column < interior_end) {
        const size_t pixels = interior_end - column < block ? interior_end - column : block;
        const Window window = {rows.end - rows.begin, args.kw, x + (column * stride - pad_w) * c, weight};
        sweep_interior(args, window, pixels, y + column * c);
        column += pixels;
      } else {
        const ptrdiff_t x0 = static_cast<ptrdiff_t>(column * stride) - static_cast<ptrdiff_t>(pad_w);
        const Span taps = inside(x0, args.kw, dilation, args.w);
        const size_t from = static_cast<size_t>(x0 + static_cast<ptrdiff_t>(taps.begin * dilation));
        const Window window = {rows.end - rows.begin, taps.end - taps.begin, x + from * c, weight + taps.begin * c};
        sweep<0>(args, window, 1, y + column * c);
        ++column;
      }
    }
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
