#include "kernels/ops/preprocess.h"

#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

// Columns made at a time. Their bytes and weights, 384 of each kind, take 3 KB of the stack and stay in L1 while all
// rows go by. A multiple of every lane count, so that all vectors of a tile but the last are whole.
constexpr size_t k_tile = 128;
constexpr size_t k_tile_values = 3 * k_tile;

/// mean and inv_std repeated along a run of interleaved values: vector k % 3 serves values k * lanes onwards, whatever
/// the lane count.
struct Normalise {
  Vec mean[3], inv_std[3];
};

LEMORE_INLINE Normalise make_normalise(const Preprocess& a) {
  float mean[3 * Vec::lanes], inv_std[3 * Vec::lanes];
  for (size_t i = 0; i < 3 * Vec::lanes; ++i) {
    mean[i] = a.mean[i % 3];
    inv_std[i] = a.inv_std[i % 3];
  }
  Normalise n;
  for (size_t k = 0; k < 3; ++k) {
    n.mean[k] = load(mean + k * Vec::lanes);
    n.inv_std[k] = load(inv_std + k * Vec::lanes);
  }
  return n;
}

/// Calls body(i, k, n) for runs of n <= lanes of `count` values from i on, where k = (i / lanes) % 3.
template <class Body>
LEMORE_INLINE void for_each_vector(size_t count, const Body& body) {
  size_t i = 0;
  for (; i + 3 * Vec::lanes <= count; i += 3 * Vec::lanes) {
    body(i, 0, Vec::lanes);
    body(i + Vec::lanes, 1, Vec::lanes);
    body(i + 2 * Vec::lanes, 2, Vec::lanes);
  }
  for (size_t k = 0; i < count; i += Vec::lanes, ++k) body(i, k, count - i < Vec::lanes ? count - i : Vec::lanes);
}

LEMORE_INLINE Vec load_bytes(const uint8_t* p, size_t n) { return n == Vec::lanes ? load_u8(p) : load_u8_n(p, n); }

/// The three chosen bytes of a pixel.
LEMORE_INLINE void copy_pixel(const Preprocess& a, const uint8_t* pixel, uint8_t* to) {
  for (size_t i = 0; i < 3; ++i) to[i] = pixel[a.channel[i]];
}

/// Bytes [count, 3] of the pixels x0, x0 + 1... of a row.
LEMORE_INLINE void copy_run(const Preprocess& a, const uint8_t* row, size_t x0, size_t count, uint8_t* to) {
  for (size_t i = 0; i < count; ++i) copy_pixel(a, row + (x0 + i) * a.pixel_bytes, to + 3 * i);
}

/// Channels 0, 1, 2 of pixels of three bytes or more: four bytes can be copied at once, the last one to be overwritten.
LEMORE_INLINE bool copies_in_order(const Preprocess& a) {
  return a.pixel_bytes >= 3 && a.channel[0] == 0 && a.channel[1] == 1 && a.channel[2] == 2;
}

LEMORE_INLINE void convert_rows(const Preprocess& a) {
  const Normalise norm = make_normalise(a);
  const bool dense = a.pixel_bytes == 3 && copies_in_order(a);
  uint8_t bytes[k_tile_values];
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const uint8_t* from = a.pixels + row * a.row_bytes;
    for (size_t x = 0; x < a.out_w; x += k_tile) {
      const size_t count = a.out_w - x < k_tile ? a.out_w - x : k_tile;
      const uint8_t* p = from + 3 * x;
      if (!dense) {
        copy_run(a, from, x, count, bytes);
        p = bytes;
      }
      float* dst = a.dst + row * a.dst_stride + 3 * x;
      for_each_vector(3 * count, [&](size_t i, size_t k, size_t n) {
        store_up_to((load_bytes(p + i, n) - norm.mean[k]) * norm.inv_std[k], dst + i, n);
      });
    }
  }
}

/// The columns x0..x0 + count of the image: weight of the right neighbour for each of their values, and how many of the
/// columns, from the first, may copy four bytes a pixel from both neighbours.
struct Columns {
  size_t x0, count, wide;
  float t[k_tile_values];
};

LEMORE_INLINE void prepare_columns(const Preprocess& a, size_t x0, Columns& c) {
  c.x0 = x0;
  c.count = a.out_w - x0 < k_tile ? a.out_w - x0 : k_tile;
  c.wide = 0;
  // A pixel in front of the last one that the taps read (they never decrease) has at least three more bytes after it.
  const uint32_t last = a.taps_x[a.out_w - 1].hi;
  const bool four = a.pixel_bytes >= 4;
  for (size_t i = 0; i < c.count; ++i) {
    const ResizeTap tap = a.taps_x[x0 + i];
    for (size_t k = 0; k < 3; ++k) c.t[3 * i + k] = tap.t;
    if (copies_in_order(a) && (four || tap.hi < last) && c.wide == i) c.wide = i + 1;
  }
}

/// Bytes [count, 3] of the left and of the right neighbours of the columns in one source row. Each array has a byte to
/// spare.
LEMORE_INLINE void gather(const Preprocess& a, const Columns& c, const uint8_t* row, uint8_t* left, uint8_t* right) {
  const ResizeTap* taps = a.taps_x + c.x0;
  size_t i = 0;
  for (; i < c.wide; ++i) {
    __builtin_memcpy(left + 3 * i, row + taps[i].lo * a.pixel_bytes, 4);
    __builtin_memcpy(right + 3 * i, row + taps[i].hi * a.pixel_bytes, 4);
  }
  for (; i < c.count; ++i) {
    copy_pixel(a, row + taps[i].lo * a.pixel_bytes, left + 3 * i);
    copy_pixel(a, row + taps[i].hi * a.pixel_bytes, right + 3 * i);
  }
}

LEMORE_INLINE void resize_columns(const Preprocess& a, const Normalise& norm, const Columns& c) {
  uint8_t corner[4][k_tile_values + 1];  // upper left, upper right, lower left, lower right
  const Vec one = set(1.0f);
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    const ResizeTap ty = a.taps_y[row];
    gather(a, c, a.pixels + ty.lo * a.row_bytes, corner[0], corner[1]);
    gather(a, c, a.pixels + ty.hi * a.row_bytes, corner[2], corner[3]);
    const Vec wy0 = set(1.0f - ty.t), wy1 = set(ty.t);
    float* dst = a.dst + row * a.dst_stride + 3 * c.x0;
    for_each_vector(3 * c.count, [&](size_t i, size_t k, size_t n) {
      const Vec wx1 = load_up_to(c.t + i, n), wx0 = one - wx1;
      const Vec upper = mul_add(wx1, load_bytes(corner[1] + i, n), wx0 * load_bytes(corner[0] + i, n));
      const Vec lower = mul_add(wx1, load_bytes(corner[3] + i, n), wx0 * load_bytes(corner[2] + i, n));
      const Vec v = mul_add(wy1, lower, wy0 * upper);
      store_up_to((v - norm.mean[k]) * norm.inv_std[k], dst + i, n);
    });
  }
}

void u8_preprocess(const Preprocess& a) {
  if (a.identity) return convert_rows(a);
  const Normalise norm = make_normalise(a);
  Columns columns;
  for (size_t x = 0; x < a.out_w; x += k_tile) {
    prepare_columns(a, x, columns);
    resize_columns(a, norm, columns);
  }
}

void f32_interleave(const Interleave& args) {
  const float* __restrict red = args.x[0], * __restrict green = args.x[1], * __restrict blue = args.x[2];
  float* __restrict y = args.y;
  for (size_t i = 0; i < args.n; ++i) {  // compilers know this shuffle on every ISA
    y[3 * i] = red[i];
    y[3 * i + 1] = green[i];
    y[3 * i + 2] = blue[i];
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
