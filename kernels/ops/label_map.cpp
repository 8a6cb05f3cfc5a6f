#include "kernels/ops/label_map.h"

#include "kernels/simd/math.h"
#include "kernels/simd/vec.h"

// Arithmetic: products and sums are written out, never fused, so that every ISA and every path below computes the same
// bits:
//   v = (1 - ty) * ((1 - tx) * a + tx * b) + ty * ((1 - tx) * c + tx * d)
// and the label is the first class with the largest v. NaN is smaller than every number.

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

// --- One pixel, vectors over classes ---------------------------------------------------------------------------------

/// The best value of each lane so far and its class.
struct Best {
  Vec value;
  Int index;
};

LEMORE_INLINE float not_a_number() { return __builtin_nanf(""); }
LEMORE_INLINE Best no_best() { return {set(not_a_number()), set_int(0)}; }

/// Takes v where it is a number and better than what there was; v belongs to classes that come later.
LEMORE_INLINE void take(Best& best, Vec v, Int index) {
  const Mask better = ~(v <= best.value) & ~is_nan(v);
  best.value = select(better, v, best.value);
  best.index = select(better, index, best.index);
}

struct Winner {
  float value;  ///< NaN if no class has a number
  int32_t index;
};

LEMORE_INLINE Winner winner_of(const Best& best) {
  const Mask none = is_nan(best.value);
  if (!any(~none)) return {not_a_number(), 0};
  const float top = reduce_max(select(none, set(-__builtin_inff()), best.value));
  // A lane without a number must not pass for one of -inf.
  return {top, reduce_min(select(best.value == set(top), best.index, set_int(k_max_classes)))};
}

/// v(i, n) gives the values of the n classes from i on.
template <class Values>
LEMORE_INLINE Winner best_class(size_t classes, const Values& v) {
  Best best = no_best();
  Int index = iota();
  size_t i = 0;
  for (; i + Vec::lanes <= classes; i += Vec::lanes, index = index + set_int(Vec::lanes))
    take(best, v(i, Vec::lanes), index);
  if (i < classes) {
    const Mask inside = to_float(index) < set(static_cast<float>(classes));
    take(best, select(inside, v(i, classes - i), set(not_a_number())), index);
  }
  return winner_of(best);
}

/// The logits around a cell, the space between four neighbouring positions.
struct Corners {
  const float *a, *b, *c, *d;  // upper left, upper right, lower left, lower right
};

LEMORE_INLINE Vec blend(Vec w0, Vec p, Vec w1, Vec q) { return w0 * p + w1 * q; }

LEMORE_INLINE uint8_t label_of_pixel(const Corners& k, size_t classes, float tx, float ty) {
  const Vec wx0 = set(1.0f - tx), wx1 = set(tx), wy0 = set(1.0f - ty), wy1 = set(ty);
  const Winner w = best_class(classes, [&](size_t i, size_t n) {
    const Vec upper = blend(wx0, load_up_to(k.a + i, n), wx1, load_up_to(k.b + i, n));
    const Vec lower = blend(wx0, load_up_to(k.c + i, n), wx1, load_up_to(k.d + i, n));
    return blend(wy0, upper, wy1, lower);
  });
  return static_cast<uint8_t>(w.index);
}

// --- A cell: which classes can win ---------------------------------------------------------------------------------
//
// A champion i with four finite corners beats class j everywhere in the cell if each corner of j lies below that corner
// of i by a margin. Without rounding any margin would do: v_i - v_j is a weighted mean of the four differences.
// Rounding is monotone, so even the computed v_j never exceeds the computed v_i; the margin makes sure that it does not
// equal it either, since then the lower class would win. With M the largest |corner| of i and u = 2^-24: v is computed
// with four roundings, and the error of v_j is a weighted mean of at most 4.1 u |corner of j|, so corners of j within
// [-3 M, M] err by 12.3 u M, those of i by 4.1 u M, and a corner of j below -3 M lies 2/3 of its own size below i's,
// far more than its error. 16.4 u M is needed.
//
// The same again for a block of pixels of the cell, whose corners are four of its pixels: the exact bilinear v_i - v_j
// of a pixel is a weighted mean of those at the four. Here M is the largest |corner| of all candidates: values differ
// from exact ones by 4.1 u M, and another 2 u M since 1 - t is rounded. For two classes, at the pixel and at the four,
// that makes 25 u M.
//
// k_margin is more than twice either. Underflow adds less than 2^-140, or, where the host flushes denormals,
// 24 * 2^-126; k_margin_denormal covers both.
//
// A corner of j that is NaN makes v_j NaN everywhere, one that is -inf makes it -inf or NaN: neither can win, and
// counting them as beaten or not does no harm. One that is +inf is never below, so that such a class is evaluated.
constexpr float k_margin = 64.0f / 16777216.0f;
constexpr float k_margin_denormal = 32.0f * 1.17549435e-38f;

/// Classes that can win, in ascending order, with their corners.
struct Candidates {
  size_t count = 0;
  uint8_t classes[k_max_classes];
  float a[k_max_classes], b[k_max_classes], c[k_max_classes], d[k_max_classes];
};

LEMORE_INLINE void append(Candidates& to, size_t label, float a, float b, float c, float d) {
  const size_t n = to.count++;
  to.classes[n] = static_cast<uint8_t>(label);
  to.a[n] = a;
  to.b[n] = b;
  to.c[n] = c;
  to.d[n] = d;
}

/// Calls keep(i) in ascending order, until it returns false, for those i of `count` of which one corner reaches the
/// champion's, less the margin.
template <class Keep>
LEMORE_INLINE void for_each_unbeaten(const Corners& k, size_t count, size_t champion, float margin, const Keep& keep) {
  const Vec a = set(k.a[champion] - margin), b = set(k.b[champion] - margin);
  const Vec c = set(k.c[champion] - margin), d = set(k.d[champion] - margin);
  for (size_t i = 0; i < count; i += Vec::lanes) {
    const size_t n = count - i;
    const Mask upper = (load_up_to(k.a + i, n) >= a) | (load_up_to(k.b + i, n) >= b);
    const Mask lower = (load_up_to(k.c + i, n) >= c) | (load_up_to(k.d + i, n) >= d);
    unsigned bits = mask_bits(upper | lower);
    if (n < Vec::lanes) bits &= (1u << n) - 1u;
    for (; bits; bits &= bits - 1)
      if (!keep(i + static_cast<size_t>(__builtin_ctz(bits)))) return;
  }
}

/// The class with the largest sum of corners, or -1 if that is not finite. A finite sum, added in pairs as here, says
/// that the corners are finite and that no interpolation between them overflows.
LEMORE_INLINE int32_t champion_of(const Corners& k, size_t classes) {
  const Winner w = best_class(classes, [&](size_t i, size_t n) {
    return (load_up_to(k.a + i, n) + load_up_to(k.b + i, n)) + (load_up_to(k.c + i, n) + load_up_to(k.d + i, n));
  });
  return w.value - w.value == 0.0f ? w.index : -1;
}

LEMORE_INLINE float larger(float x, float y) { return x > y ? x : y; }

/// The classes that `champion` does not beat; the champion itself is one of them. False if a corner of it is not
/// finite, or if there are more than `most` of them.
LEMORE_INLINE bool challengers(const Corners& k, size_t classes, size_t champion, size_t most, Candidates& out) {
  const float a = k.a[champion], b = k.b[champion], c = k.c[champion], d = k.d[champion];
  const float sum = (a + b) + (c + d);
  if (!(sum - sum == 0.0f)) return false;
  const float largest =
      larger(larger(__builtin_fabsf(a), __builtin_fabsf(b)), larger(__builtin_fabsf(c), __builtin_fabsf(d)));
  out.count = 0;
  for_each_unbeaten(k, classes, champion, k_margin * largest + k_margin_denormal, [&](size_t i) {
    append(out, i, k.a[i], k.b[i], k.c[i], k.d[i]);
    return out.count <= most;
  });
  return out.count <= most;
}

/// Largest |corner| of the candidates; infinity if one is not finite or large enough for sums to overflow.
LEMORE_INLINE float largest_corner(const Candidates& in) {
  Vec largest = zero();
  const float* const corners[] = {in.a, in.b, in.c, in.d};
  for (const float* p : corners)
    for (size_t i = 0; i < in.count; i += Vec::lanes) {
      const Vec v = abs(load_up_to(p + i, in.count - i));
      largest = max(select(v < set(1e37f), v, set(__builtin_inff())), largest);
    }
  return reduce_max(largest);
}

/// The candidates that can win in the block of pixels between the weights tx0..tx1 and ty0..ty1.
LEMORE_INLINE void refine(const Candidates& in, float largest, float tx0, float tx1, float ty0, float ty1,
                          Candidates& out) {
  float value[4][k_max_classes];
  const Vec left0 = set(1.0f - tx0), left1 = set(tx0), right0 = set(1.0f - tx1), right1 = set(tx1);
  const Vec top0 = set(1.0f - ty0), top1 = set(ty0), bottom0 = set(1.0f - ty1), bottom1 = set(ty1);
  const Winner w = best_class(in.count, [&](size_t i, size_t n) {
    const Vec a = load_up_to(in.a + i, n), b = load_up_to(in.b + i, n);
    const Vec c = load_up_to(in.c + i, n), d = load_up_to(in.d + i, n);
    const Vec upper_left = blend(left0, a, left1, b), lower_left = blend(left0, c, left1, d);
    const Vec upper_right = blend(right0, a, right1, b), lower_right = blend(right0, c, right1, d);
    const Vec v[4] = {blend(top0, upper_left, top1, lower_left), blend(top0, upper_right, top1, lower_right),
                      blend(bottom0, upper_left, bottom1, lower_left),
                      blend(bottom0, upper_right, bottom1, lower_right)};
    for (size_t k = 0; k < 4; ++k) store_up_to(v[k], value[k] + i, n);
    return (v[0] + v[1]) + (v[2] + v[3]);
  });
  out.count = 0;
  for_each_unbeaten({value[0], value[1], value[2], value[3]}, in.count, static_cast<size_t>(w.index),
                    k_margin * largest + k_margin_denormal, [&](size_t i) {
                      append(out, in.classes[i], in.a[i], in.b[i], in.c[i], in.d[i]);
                      return true;
                    });
}

// --- A cell: its pixels ----------------------------------------------------------------------------------------------

/// Pixels [rows, columns] of a label map that lie in one cell.
struct Cell {
  Corners corners;
  size_t rows, columns;
  const ResizeTap *ty, *tx;  // of the first row and column
  uint8_t* labels;
  size_t label_stride;
};

LEMORE_INLINE void store_labels(Int v, uint8_t* p, size_t n) {
  if (n >= Vec::lanes)
    store_u8(v, p);
  else
    store_u8_n(v, p, n);
}

LEMORE_INLINE void fill(const Cell& cell, uint8_t label) {
  const Int v = set_int(label);
  for (size_t y = 0; y < cell.rows; ++y)
    for (size_t x = 0; x < cell.columns; x += Vec::lanes)
      store_labels(v, cell.labels + y * cell.label_stride + x, cell.columns - x);
}

LEMORE_INLINE void label_each_pixel(const Cell& cell, size_t classes) {
  for (size_t y = 0; y < cell.rows; ++y)
    for (size_t x = 0; x < cell.columns; ++x)
      cell.labels[y * cell.label_stride + x] = label_of_pixel(cell.corners, classes, cell.tx[x].t, cell.ty[y].t);
}

/// Rows y..y + Rows of one vector of columns. The horizontal half of a value serves all the rows; four rows are 4
/// values and 4 classes, their weights come from memory where there are only 16 registers.
template <size_t Rows>
LEMORE_INLINE void label_rows(const Cell& cell, const Candidates& candidates, size_t y, size_t x, Vec wx1) {
  const Vec wx0 = set(1.0f) - wx1;
  Vec wy0[Rows], wy1[Rows], best[Rows];
  Int index[Rows];
  for (size_t r = 0; r < Rows; ++r) {
    wy0[r] = set(1.0f - cell.ty[y + r].t);
    wy1[r] = set(cell.ty[y + r].t);
    best[r] = set(-__builtin_inff());  // the champion is finite
    index[r] = set_int(0);
  }
  for (size_t j = 0; j < candidates.count; ++j) {
    const Vec upper = blend(wx0, set(candidates.a[j]), wx1, set(candidates.b[j]));
    const Vec lower = blend(wx0, set(candidates.c[j]), wx1, set(candidates.d[j]));
    const Int label = set_int(candidates.classes[j]);
    for (size_t r = 0; r < Rows; ++r) {
      const Vec v = blend(wy0[r], upper, wy1[r], lower);
      index[r] = select(v > best[r], label, index[r]);
      best[r] = max(v, best[r]);
    }
  }
  for (size_t r = 0; r < Rows; ++r)
    store_labels(index[r], cell.labels + (y + r) * cell.label_stride + x, cell.columns - x);
}

// With fewer candidates refining them costs more than it saves.
constexpr size_t k_worth_refining = 6;

LEMORE_INLINE void label_candidates(const Cell& cell, const Candidates& candidates) {
  const float largest = candidates.count < k_worth_refining ? __builtin_inff() : largest_corner(candidates);
  const bool refinable = largest < __builtin_inff();
  Candidates refined;
  for (size_t x = 0; x < cell.columns; x += Vec::lanes) {
    const size_t columns = cell.columns - x < Vec::lanes ? cell.columns - x : Vec::lanes;
    float t[Vec::lanes] = {};
    for (size_t i = 0; i < columns; ++i) t[i] = cell.tx[x + i].t;
    const Vec wx1 = load(t);
    for (size_t y = 0; y < cell.rows;) {
      const size_t left = cell.rows - y, rows = left >= 4 ? 4 : left >= 2 ? 2 : 1;
      if (refinable) refine(candidates, largest, t[0], t[columns - 1], cell.ty[y].t, cell.ty[y + rows - 1].t, refined);
      const Candidates& able = refinable ? refined : candidates;
      if (rows == 4)
        label_rows<4>(cell, able, y, x, wx1);
      else if (rows == 2)
        label_rows<2>(cell, able, y, x, wx1);
      else
        label_rows<1>(cell, able, y, x, wx1);
      y += rows;
    }
  }
}

// Finding the candidates costs about as much as the labels of two pixels.
constexpr size_t k_pixels_worth_pruning = 3;
// Up to so many candidates cost less to evaluate than a search for a champion that leaves fewer.
constexpr size_t k_few = 4;

/// `guess`: the champion of the cell before; replaced by a better one of this cell.
LEMORE_INLINE void label_cell(const Cell& cell, size_t classes, size_t& guess) {
  if (cell.rows * cell.columns < k_pixels_worth_pruning) return label_each_pixel(cell, classes);
  Candidates candidates;
  if (!challengers(cell.corners, classes, guess, k_few, candidates)) {
    const int32_t champion = champion_of(cell.corners, classes);
    if (champion < 0) return label_each_pixel(cell, classes);
    guess = static_cast<size_t>(champion);
    challengers(cell.corners, classes, guess, classes, candidates);
  }
  if (candidates.count == 1) return fill(cell, candidates.classes[0]);
  if (candidates.count <= k_few) {
    float best = -__builtin_inff();
    for (size_t j = 0; j < candidates.count; ++j) {
      const float sum = (candidates.a[j] + candidates.b[j]) + (candidates.c[j] + candidates.d[j]);
      if (sum > best) guess = candidates.classes[j];
      best = larger(sum, best);
    }
  }
  // In cells of a few pixels most lanes idle; a vector of one pixel's classes, of which none does, costs about twice as
  // much as one here.
  const size_t vectors = candidates.count * cell.rows * ((cell.columns + Vec::lanes - 1) / Vec::lanes);
  if (vectors > 2 * cell.rows * cell.columns * ((classes + Vec::lanes - 1) / Vec::lanes))
    return label_each_pixel(cell, classes);
  label_candidates(cell, candidates);
}

/// How many of the taps from `first` on read the same two positions.
LEMORE_INLINE size_t taps_alike(const ResizeTap* first, const ResizeTap* end) {
  const ResizeTap* p = first + 1;
  while (p < end && p->lo == first->lo && p->hi == first->hi) ++p;
  return static_cast<size_t>(p - first);
}

}  // namespace

void u8_label_map(const LabelMap& a) {
  size_t champion = 0;
  for (size_t y = a.row_begin; y < a.row_end;) {
    const ResizeTap* ty = a.taps_y + y;
    const float* upper = a.logits + ty->lo * a.w * a.classes;
    const float* lower = a.logits + ty->hi * a.w * a.classes;
    const size_t rows = taps_alike(ty, a.taps_y + a.row_end);
    for (size_t x = 0; x < a.out_w;) {
      const ResizeTap* tx = a.taps_x + x;
      const size_t left = tx->lo * a.classes, right = tx->hi * a.classes;
      const size_t columns = taps_alike(tx, a.taps_x + a.out_w);
      label_cell({{upper + left, upper + right, lower + left, lower + right},
                  rows,
                  columns,
                  ty,
                  tx,
                  a.labels + y * a.label_stride + x,
                  a.label_stride},
                 a.classes, champion);
      x += columns;
    }
    y += rows;
  }
}

void f32_argmax(const Argmax& a) {
  for (size_t p = 0; p < a.pixels; ++p) {
    const float* x = a.x + p * a.classes;
    const Winner w = best_class(a.classes, [x](size_t i, size_t n) { return load_up_to(x + i, n); });
    a.labels[p] = static_cast<uint8_t>(w.index);
    if (!a.confidence) continue;
    // 1 / sum of e^(x - max). Values equal to the maximum count 1, also where it is infinite; NaN counts nothing.
    const Vec top = set(w.value);
    Vec sum = zero();
    for (size_t i = 0; i < a.classes; i += Vec::lanes) {
      const size_t n = a.classes - i;
      const Vec v = load_up_to(x + i, n);
      const Vec term = select(v == top, set(1.0f), exp(v - top));
      Mask counts = ~is_nan(v);
      if (n < Vec::lanes) counts = counts & (to_float(iota()) < set(static_cast<float>(n)));
      sum = sum + select(counts, term, zero());
    }
    // Without a number there is nothing to be confident of.
    a.confidence[p] = w.value == w.value ? 1.0f / reduce_add(sum) : 0.0f;
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
