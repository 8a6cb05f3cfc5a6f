#include "kernels/ops/average_pool.h"

#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

// Sum of `cols` runs of V vectors that lie col_stride apart. Four partial sums a vector hide the latency of an
// addition; with V = 2 they are 8 of the 16 registers of avx2, and one cache line of it is read at a time. The last
// vector holds `last` values.
template <size_t V>
LEMORE_INLINE void add_row(const float* x, size_t cols, size_t col_stride, size_t last, Vec (&total)[V]) {
  Vec sum[4][V];
  for (size_t k = 0; k < 4; ++k)
    for (size_t v = 0; v < V; ++v) sum[k][v] = zero();
  const auto add = [&](Vec(&to)[V], const float* p) {
    for (size_t v = 0; v + 1 < V; ++v) to[v] = to[v] + load(p + v * Vec::lanes);
    to[V - 1] = to[V - 1] + load_up_to(p + (V - 1) * Vec::lanes, last);
  };
  size_t q = 0;
  for (; q + 4 <= cols; q += 4, x += 4 * col_stride) {
    add(sum[0], x);
    add(sum[1], x + col_stride);
    add(sum[2], x + 2 * col_stride);
    add(sum[3], x + 3 * col_stride);
  }
  for (; q < cols; ++q, x += col_stride) add(sum[0], x);
  for (size_t v = 0; v < V; ++v) total[v] = total[v] + ((sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]));
}

template <size_t V>
LEMORE_INLINE void mean_tile(const AveragePool& a, size_t i, size_t last) {
  Vec total[V];
  for (size_t v = 0; v < V; ++v) total[v] = zero();
  for (size_t r = 0; r < a.rows; ++r) add_row<V>(a.x + r * a.row_stride + i, a.cols, a.col_stride, last, total);
  const Vec count = set(static_cast<float>(a.rows * a.cols));
  for (size_t v = 0; v + 1 < V; ++v) store(total[v] / count, a.y + i + v * Vec::lanes);
  store_up_to(total[V - 1] / count, a.y + i + (V - 1) * Vec::lanes, last);
}

// Windows of one column: whole rows are added to y, which stays in L1, so that a map too large for the caches streams
// through once and in order. Four rows a pass, so that y is read and written for every fourth row only.
LEMORE_INLINE void mean_of_rows(const AveragePool& a) {
  const Vec count = set(static_cast<float>(a.rows));
  for (size_t r = 0; r < a.rows; r += 4) {
    const size_t rows = a.rows - r < 4 ? a.rows - r : 4;
    const float* x = a.x + r * a.row_stride;
    for (size_t i = 0; i < a.n; i += Vec::lanes) {
      const size_t left = a.n - i;
      Vec sum = load_up_to(x + i, left);
      for (size_t k = 1; k < rows; ++k) sum = sum + load_up_to(x + k * a.row_stride + i, left);
      if (r > 0) sum = load_up_to(a.y + i, left) + sum;
      if (r + rows == a.rows) sum = sum / count;
      store_up_to(sum, a.y + i, left);
    }
  }
}

void f32_average_pool(const AveragePool& a) {
  if (a.cols == 1) return mean_of_rows(a);
  size_t i = 0;
  for (; i + 2 * Vec::lanes <= a.n; i += 2 * Vec::lanes) mean_tile<2>(a, i, Vec::lanes);
  for (; i < a.n; i += Vec::lanes) mean_tile<1>(a, i, a.n - i);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
