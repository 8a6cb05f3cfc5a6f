#include "kernels/ops/dwconv.h"

#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

/// Neighbouring outputs worked on together: each weight is loaded once for all of them, and with stride 1 or 2 each
/// input once for all outputs that it meets. Registers: 8 sums + up to 5 weights of a kernel row + 1 input = 14 of 16.
constexpr size_t k_pixels = 8;

/// The taps of a kernel that lie inside the image for neighbouring outputs of one row: input rows `begin`, then each
/// dilation further, of which every column is shifted to the first tap of the first output.
struct Window {
  size_t row, taps_h, taps_w;
  size_t column;
  const float* weight;  ///< of the first tap, at channel 0
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

ptrdiff_t signed_size(size_t n) { return static_cast<ptrdiff_t>(n); }

/// n channels (nv vectors, or less than one when partial) from channel i of `pixels` neighbouring outputs. kw > 0 is
/// taps_w, known here; step > 0 is the stride, known here, with dilation 1: then neighbouring outputs share inputs. A
/// sum begins with the bias and takes the taps row by row wherever the pixel lies.
template <size_t kw, size_t step, size_t pixels, size_t nv, bool partial>
LEMORE_INLINE void convolve(const DepthwiseConv& args, const Window& window, size_t first, size_t i, size_t n,
                            float* y) {
  const auto read = [n](const float* p) { return partial ? load_n(p, n) : load(p); };
  const size_t c = args.c, pixel_step = args.stride * c, tap_step = args.dilation * c;
  const float* weight = window.weight + i;
  const size_t offset = window.column * c + first * pixel_step + i;
  Vec sum[pixels][nv];
  LEMORE_UNROLL
  for (size_t v = 0; v < nv; ++v) {
    const Vec bias = args.bias != nullptr ? read(args.bias + i + v * Vec::lanes) : zero();
    LEMORE_UNROLL
    for (size_t p = 0; p < pixels; ++p) sum[p][v] = bias;
  }
  size_t slot = window.row;
  for (size_t row = 0; row < window.taps_h; ++row) {
    const float* x = args.x + slot * args.w * c + offset;
    if constexpr (kw > 0) {
      Vec w[kw][nv];
      LEMORE_UNROLL
      for (size_t j = 0; j < kw; ++j) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) w[j][v] = read(weight + j * c + v * Vec::lanes);
      }
      if constexpr (step > 0) {
        LEMORE_UNROLL
        for (size_t q = 0; q < (pixels - 1) * step + kw; ++q) {
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v) {
            const Vec in = read(x + q * c + v * Vec::lanes);
            LEMORE_UNROLL
            for (size_t p = 0; p < pixels; ++p) {
              if (q >= p * step && q - p * step < kw) sum[p][v] = mul_add(in, w[q - p * step][v], sum[p][v]);
            }
          }
        }
      } else {
        static_assert(nv == 1);
        LEMORE_UNROLL
        for (size_t p = 0; p < pixels; ++p) {
          LEMORE_UNROLL
          for (size_t j = 0; j < kw; ++j) sum[p][0] = mul_add(read(x + j * tap_step), w[j][0], sum[p][0]);
          x += pixel_step;
        }
      }
    } else {
      static_assert(nv == 1);
      for (size_t j = 0; j < window.taps_w; ++j) {
        const Vec w = read(weight + j * c);
        const float* from = x + j * tap_step;
        LEMORE_UNROLL
        for (size_t p = 0; p < pixels; ++p) {
          sum[p][0] = mul_add(read(from), w, sum[p][0]);
          from += pixel_step;
        }
      }
    }
    slot += args.dilation;
    while (slot >= args.x_rows) slot -= args.x_rows;
    weight += args.kw * c;
  }
  y += first * c + i;
  const bool is_relu6 = args.activation == Activation::relu6;
  LEMORE_UNROLL
  for (size_t p = 0; p < pixels; ++p) {
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) {
      if (is_relu6) sum[p][v] = relu6(sum[p][v]);
      if (partial)
        store_n(sum[p][v], y + p * c, n);
      else
        store(sum[p][v], y + p * c + v * Vec::lanes);
    }
  }
}

/// Channels from i, less than a vector of them, of output p.
__attribute__((noinline, unused)) void convolve_tail(const DepthwiseConv& args, const Window& window, size_t p,
                                                     size_t i, float* y) {
  convolve<0, 0, 1, 1, true>(args, window, p, i, args.c - i, y);
}

/// Where size counts (-Os), the last channels take the general way; in vectors of 16 they are too many for that.
constexpr bool k_fast_tails = !k_small_code || Vec::lanes == 16;

/// Channels from i, less than a vector of them, of outputs p..p + group.
template <size_t kw, size_t step, size_t group>
LEMORE_INLINE void sweep_tail(const DepthwiseConv& args, const Window& window, size_t p, size_t i, float* y) {
  if constexpr (k_fast_tails)
    convolve<kw, step, group, 1, true>(args, window, p, i, args.c - i, y);
  else
    for (size_t end = p + group; p < end; ++p) convolve_tail(args, window, p, i, y);
}

/// All channels of outputs p..pixels, as many whole groups as there are; y the output 0. Gives the first output left.
/// With nv > 1 their number is a multiple of as many vectors.
template <size_t kw, size_t step, size_t group, size_t nv = 1>
LEMORE_INLINE size_t sweep_groups(const DepthwiseConv& args, const Window& window, size_t p, size_t pixels, float* y) {
  for (; pixels - p >= group; p += group) {
    size_t i = 0;
    for (; args.c - i >= nv * Vec::lanes; i += nv * Vec::lanes)
      convolve<kw, step, group, nv, false>(args, window, p, i, Vec::lanes, y);
    if constexpr (nv == 1) {
      if (i < args.c) sweep_tail<kw, step, group>(args, window, p, i, y);
    }
  }
  return p;
}

/// All channels of `pixels` neighbouring outputs, y the first.
template <size_t kw, size_t step>
void sweep(const DepthwiseConv& args, const Window& window, size_t pixels, float* y) {
  size_t p = 0;
  if constexpr (kw == 3 && step == 1 && Vec::lanes <= 8 && !k_small_code) {
    // Pixels that lie a multiple of 2 KB apart share a set or two of the first-level cache, which keeps fewer lines
    // than are read here: a line is used whole, two vectors at a time, before the next ones push it out.
    if (args.c % 512 == 0) {
      p = sweep_groups<kw, step, k_pixels / 2, 2>(args, window, p, pixels, y);
      p = sweep_groups<kw, step, k_pixels / 4, 2>(args, window, p, pixels, y);
    }
  }
  if (step != 2) p = sweep_groups<kw, step, k_pixels>(args, window, p, pixels, y);  // stride 2 shares too little
  p = sweep_groups<kw, step, k_pixels / 2>(args, window, p, pixels, y);
  sweep_groups<kw, step, 1>(args, window, p, pixels, y);
}

/// Outputs all of whose taps in the column axis lie inside.
void sweep_interior(const DepthwiseConv& args, const Window& window, size_t pixels, float* y) {
  const size_t step = args.dilation == 1 ? args.stride : 0;
  if (args.kw == 3 && step == 1) return sweep<3, 1>(args, window, pixels, y);
  if (args.kw == 3 && step == 2) return sweep<3, 2>(args, window, pixels, y);
  if (args.kw == 5 && step == 1) return sweep<5, 1>(args, window, pixels, y);
  if (args.kw == 5 && step == 2) return sweep<5, 2>(args, window, pixels, y);
  if (args.kw == 3) return sweep<3, 0>(args, window, pixels, y);
  if (args.kw == 1) return sweep<1, 0>(args, window, pixels, y);
  return sweep<0, 0>(args, window, pixels, y);
}

}  // namespace

void f32_dwconv(const DepthwiseConv& args) {
  const size_t stride = args.stride, dilation = args.dilation, pad = args.pad_left, c = args.c;
  // Interior: o * stride >= pad and o * stride - pad + (kw - 1) * dilation < w.
  const size_t reach = (args.kw - 1) * dilation;
  const size_t fitting = args.w + pad > reach ? (args.w + pad - reach - 1) / stride + 1 : 0;
  const size_t interior_end = fitting < args.out_w ? fitting : args.out_w;
  const size_t first_inside = (pad + stride - 1) / stride;
  const size_t interior_begin = first_inside < interior_end ? first_inside : interior_end;

  float* y = args.y;
  for (size_t row = args.row_begin; row < args.row_end; ++row, y += args.out_w * c) {
    const ptrdiff_t top = signed_size(row * stride) - signed_size(args.pad_top);
    const Span rows = inside(top, args.kh, dilation, args.h);
    Window window = {0, rows.end - rows.begin, 0, 0, nullptr};
    if (window.taps_h > 0) window.row = static_cast<size_t>(top + signed_size(rows.begin * dilation)) % args.x_rows;
    const float* weight = args.weight + rows.begin * args.kw * c;
    for (size_t column = 0; column < args.out_w;) {
      if (column >= interior_begin && column < interior_end) {
        window.taps_w = args.kw;
        window.column = column * stride - pad;
        window.weight = weight;
        sweep_interior(args, window, interior_end - column, y + column * c);
        column = interior_end;
      } else {
        const ptrdiff_t left = signed_size(column * stride) - signed_size(pad);
        const Span taps = inside(left, args.kw, dilation, args.w);
        window.taps_w = taps.end - taps.begin;
        window.column = window.taps_w > 0 ? static_cast<size_t>(left + signed_size(taps.begin * dilation)) : 0;
        window.weight = weight + taps.begin * c;
        if (!k_small_code && window.taps_w == 2)
          sweep_groups<2, 0, 1>(args, window, 0, 1, y + column * c);
        else
          sweep<0, 0>(args, window, 1, y + column * c);
        ++column;
      }
    }
    if (args.activation == Activation::none || args.activation == Activation::relu6) continue;
    activate_values(y, args.out_w * c, args.activation);  // too large for the loops above: a pass of its own
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
