#include "kernels/ops/resize.h"

#include "kernels/ops/declare.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

// Output rows that lie between the same two source rows share the horizontal half of the work, so they are made
// together. Four at most: the rows of a feature map often lie a large power of two apart, where the same column of more
// rows than a cache has ways (8 in L1) would push each other out. With two sources that is 4 weights across, 8 down and
// 4 values: the 16 registers of avx2.
constexpr size_t k_resize_rows = 4;

/// How many rows from `row` on, k_resize_rows at most, read the same two source rows.
LEMORE_INLINE size_t rows_alike(const ResizeTap* taps, size_t row, size_t end) {
  size_t n = 1;
  while (n < k_resize_rows && row + n < end && taps[row + n].lo == taps[row].lo && taps[row + n].hi == taps[row].hi)
    ++n;
  return n;
}

/// (1 - t) * a + t * b, by its two weights.
LEMORE_INLINE Vec blend(Vec w0, Vec a, Vec w1, Vec b) { return mul_add(w1, b, w0 * a); }

/// What is resized: maps of one shape, at the same taps.
template <size_t Sources>
struct Maps {
  const float* x[Sources];
  size_t w, c, out_w;
  const ResizeTap* taps_y;
  const ResizeTap* taps_x;
};

/// Output rows row..row + Rows, which read the same source rows. finish(v, at, n) takes n values of every map at offset
/// `at` of y.
template <size_t Rows, size_t Sources, class Finish>
LEMORE_INLINE void resize_rows(const Maps<Sources>& a, size_t row, const Finish& finish) {
  const ResizeTap* ty = a.taps_y + row;
  const size_t out_row = a.out_w * a.c;
  const size_t top = ty->lo * a.w * a.c, bottom = ty->hi * a.w * a.c;
  Vec wy0[Rows], wy1[Rows];
  for (size_t r = 0; r < Rows; ++r) {
    wy0[r] = set(1.0f - ty[r].t);
    wy1[r] = set(ty[r].t);
  }
  for (size_t x = 0; x < a.out_w; ++x) {
    const ResizeTap tx = a.taps_x[x];
    const Vec wx0 = set(1.0f - tx.t), wx1 = set(tx.t);
    const size_t lo = tx.lo * a.c, hi = tx.hi * a.c;
    for (size_t i = 0; i < a.c; i += Vec::lanes) {
      const size_t n = a.c - i;
      Vec upper[Sources], lower[Sources];
      for (size_t s = 0; s < Sources; ++s) {
        const float* p = a.x[s] + i;
        upper[s] = blend(wx0, load_up_to(p + top + lo, n), wx1, load_up_to(p + top + hi, n));
        lower[s] = blend(wx0, load_up_to(p + bottom + lo, n), wx1, load_up_to(p + bottom + hi, n));
      }
      for (size_t r = 0; r < Rows; ++r) {
        Vec v[Sources];
        for (size_t s = 0; s < Sources; ++s) v[s] = blend(wy0[r], upper[s], wy1[r], lower[s]);
        finish(v, (row + r) * out_row + x * a.c + i, n);
      }
    }
  }
}

template <size_t Sources, class Finish>
LEMORE_INLINE void resize_maps(const Maps<Sources>& a, size_t row, size_t end, const Finish& finish) {
  while (row < end) {
    const size_t rows = rows_alike(a.taps_y, row, end);
    if (rows == 4)
      resize_rows<4>(a, row, finish);
    else if (rows == 3)
      resize_rows<3>(a, row, finish);
    else if (rows == 2)
      resize_rows<2>(a, row, finish);
    else
      resize_rows<1>(a, row, finish);
    row += rows;
  }
}

void f32_resize(const Resize& a) {
  const Maps<1> maps{{a.x}, a.w, a.c, a.out_w, a.taps_y, a.taps_x};
  float* y = a.y;
  if (a.accumulate)
    resize_maps(maps, a.row_begin, a.row_end,
                [y](const Vec(&v)[1], size_t at, size_t n) { store_up_to(load_up_to(y + at, n) + v[0], y + at, n); });
  else
    resize_maps(maps, a.row_begin, a.row_end,
                [y](const Vec(&v)[1], size_t at, size_t n) { store_up_to(v[0], y + at, n); });
}

void f32_gated_fusion(const GatedFusion& a) {
  const Maps<2> maps{{a.gate, a.globl}, a.token_w, a.c, a.out_w, a.taps_y, a.taps_x};
  const float* local = a.local;
  float* y = a.y;
  resize_maps(maps, a.row_begin, a.row_end, [local, y](const Vec(&v)[2], size_t at, size_t n) {
    store_up_to(mul_add(load_up_to(local + at, n), v[0], v[1]), y + at, n);
  });
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
