#include "kernels/ops/resize.h"

#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

// Output rows that lie between the same two source rows share the horizontal half of the work, so they are made
// together. Four at most: the rows of a feature map often lie a large power of two apart, where the same column of more
// rows than a cache has ways (8 in L1) would push each other out.
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

/// Output rows row..row + Rows, which read the same source rows. finish(v, at, n) takes n values at offset `at` of y.
template <size_t Rows, class Finish>
LEMORE_INLINE void resize_rows(const Resize& a, size_t row, const Finish& finish) {
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
      const float* p = a.x + i;
      const Vec upper = blend(wx0, load_up_to(p + top + lo, n), wx1, load_up_to(p + top + hi, n));
      const Vec lower = blend(wx0, load_up_to(p + bottom + lo, n), wx1, load_up_to(p + bottom + hi, n));
      for (size_t r = 0; r < Rows; ++r)
        finish(blend(wy0[r], upper, wy1[r], lower), (row + r) * out_row + x * a.c + i, n);
    }
  }
}

template <class Finish>
LEMORE_INLINE void resize_map(const Resize& a, const Finish& finish) {
  for (size_t row = a.row_begin, end = a.row_end; row < end;) {
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
  float* y = a.y;
  if (a.accumulate)
    resize_map(a, [y](Vec v, size_t at, size_t n) { store_up_to(load_up_to(y + at, n) + v, y + at, n); });
  else
    resize_map(a, [y](Vec v, size_t at, size_t n) { store_up_to(v, y + at, n); });
}

namespace {

/// n channels from channel i of `pixels` neighbours that lie between the same tokens; local and y at the first of them.
template <bool partial>
LEMORE_INLINE void fuse_cell(const GatedFusion& a, const ResizeTap& ty, const ResizeTap* tx, size_t pixels, size_t i,
                             const float* local, float* y) {
  const size_t n = partial ? a.c - i : Vec::lanes;
  const auto read = [&](const float* p) { return partial ? load_n(p, n) : load(p); };
  const Vec wy0 = set(1.0f - ty.t), wy1 = set(ty.t);
  const auto down = [&](const float* map, size_t column) {
    const float* p = map + column * a.c + i;
    return blend(wy0, read(p + ty.lo * a.token_w * a.c), wy1, read(p + ty.hi * a.token_w * a.c));
  };
  const Vec gate_left = down(a.gate, tx->lo), gate_right = down(a.gate, tx->hi);
  const Vec globl_left = down(a.globl, tx->lo), globl_right = down(a.globl, tx->hi);
  for (size_t p = 0; p < pixels; ++p, local += a.c, y += a.c) {
    const Vec wx0 = set(1.0f - tx[p].t), wx1 = set(tx[p].t);
    const Vec gate = blend(wx0, gate_left, wx1, gate_right), globl = blend(wx0, globl_left, wx1, globl_right);
    const Vec v = mul_add(read(local + i), gate, globl);
    if (partial)
      store_n(v, y + i, n);
    else
      store(v, y + i);
  }
}

}  // namespace

void f32_gated_fusion(const GatedFusion& a) {
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    for (size_t x = 0; x < a.out_w;) {
      const ResizeTap* tx = a.taps_x + x;
      size_t pixels = 1;
      while (x + pixels < a.out_w && tx[pixels].lo == tx->lo && tx[pixels].hi == tx->hi) ++pixels;
      const size_t at = (row * a.out_w + x) * a.c;
      size_t i = 0;
      for (; a.c - i >= Vec::lanes; i += Vec::lanes)
        fuse_cell<false>(a, a.taps_y[row], tx, pixels, i, a.local + at, a.y + at);
      if (i < a.c) fuse_cell<true>(a, a.taps_y[row], tx, pixels, i, a.local + at, a.y + at);
      x += pixels;
    }
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
