#include "kernels/ops/resize_u8.h"

#include "kernels/simd/unroll.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

constexpr int k_weight_bits = 22;
constexpr int32_t k_half = 1 << (k_weight_bits - 1);

LEMORE_INLINE uint8_t round_weighted(int32_t sum) {
  const int32_t v = sum >> k_weight_bits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

template <size_t c>
void resample_across(const ResampleU8& a) {
  for (size_t r = 0; r < a.rows; ++r) {
    const uint8_t* x = a.x + r * a.x_stride;
    uint8_t* y = a.y + r * a.y_stride;
    for (size_t o = 0; o < a.out; ++o, y += c) {
      const int32_t* w = a.weights + o * a.weight_stride;
      const uint8_t* from = x + size_t{a.taps[o].begin} * c;
      int32_t sum[c];
      LEMORE_UNROLL
      for (size_t i = 0; i < c; ++i) sum[i] = k_half;
      for (size_t k = 0; k < a.taps[o].count; ++k, from += c) {
        LEMORE_UNROLL
        for (size_t i = 0; i < c; ++i) sum[i] += w[k] * from[i];
      }
      LEMORE_UNROLL
      for (size_t i = 0; i < c; ++i) y[i] = round_weighted(sum[i]);
    }
  }
}

/// Bytes of a row summed together, so that the sums stay in the cache and the loops over them become vectors.
constexpr size_t k_bytes = 256;

void resample_down(const ResampleU8& a) {
  const size_t bytes = a.out * a.c;
  for (size_t r = 0; r < a.rows; ++r) {
    const ResampleTap tap = a.taps[a.row_begin + r];
    const int32_t* w = a.weights + (a.row_begin + r) * a.weight_stride;
    for (size_t at = 0; at < bytes; at += k_bytes) {
      const size_t n = bytes - at < k_bytes ? bytes - at : k_bytes;
      int32_t sum[k_bytes];
      for (size_t i = 0; i < n; ++i) sum[i] = k_half;
      for (size_t k = 0; k < tap.count; ++k) {
        const uint8_t* x = a.x + (tap.begin + k) * a.x_stride + at;
        const int32_t weight = w[k];
        for (size_t i = 0; i < n; ++i) sum[i] += weight * x[i];
      }
      uint8_t* y = a.y + r * a.y_stride + at;
      for (size_t i = 0; i < n; ++i) y[i] = round_weighted(sum[i]);
    }
  }
}

/// One source row across, in units of 1 / 2048.
void linear_across(const ResizeLinearU8& a, const uint8_t* x, int32_t* sums) {
  const size_t c = a.c;
  for (size_t o = 0; o < a.out_w; ++o, sums += c) {
    const LinearTapU8 t = a.taps_x[o];
    const uint8_t *lo = x + t.lo * c, *hi = x + t.hi * c;
    for (size_t i = 0; i < c; ++i) sums[i] = t.w_lo * lo[i] + t.w_hi * hi[i];
  }
}

void halve(const ResizeLinearU8& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const uint8_t *x = a.x + 2 * row * a.x_stride, *below = x + a.x_stride;
    uint8_t* y = a.y + (row - a.row_begin) * a.y_stride;
    for (size_t o = 0; o < a.out_w; ++o, x += 2 * a.c, below += 2 * a.c, y += a.c)
      for (size_t i = 0; i < a.c; ++i) {
        const int32_t sum = x[i] + x[a.c + i] + below[i] + below[a.c + i];
        // Two channels take OpenCV's general way, which rounds ties to even.
        y[i] = static_cast<uint8_t>((sum + (a.c == 2 ? 1 + (sum >> 2) % 2 : 2)) >> 2);
      }
  }
}

}  // namespace

void u8_resample(const ResampleU8& a) {
  if (a.down) return resample_down(a);
  if (a.c == 1) return resample_across<1>(a);
  if (a.c == 2) return resample_across<2>(a);
  if (a.c == 3) return resample_across<3>(a);
  resample_across<4>(a);
}

void u8_resize_linear(const ResizeLinearU8& a) {
  if (a.halve) return halve(a);
  const size_t values = a.out_w * a.c;
  int32_t *upper = a.scratch, *lower = a.scratch + values;
  size_t upper_row = ~size_t{0}, lower_row = ~size_t{0};  // which source rows they hold
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const LinearTapU8 t = a.taps_y[row];
    if (t.lo != upper_row) {
      if (t.lo == lower_row) {  // what was the lower row is now the upper one
        int32_t* const other = upper;
        upper = lower;
        lower = other;
        lower_row = upper_row;
      } else {
        linear_across(a, a.x + t.lo * a.x_stride, upper);
      }
      upper_row = t.lo;
    }
    const int32_t* second = upper;
    if (t.hi != t.lo) {
      if (t.hi != lower_row) linear_across(a, a.x + t.hi * a.x_stride, lower);
      lower_row = t.hi;
      second = lower;
    }
    const int32_t w_lo = t.w_lo, w_hi = t.w_hi;
    uint8_t* y = a.y + (row - a.row_begin) * a.y_stride;
    for (size_t i = 0; i < values; ++i) {
      const int32_t v = (((w_lo * (upper[i] >> 4)) >> 16) + ((w_hi * (second[i] >> 4)) >> 16) + 2) >> 2;
      y[i] = static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
    }
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
