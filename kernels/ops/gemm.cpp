#include "kernels/ops/gemm.h"

#include "kernels/ops/gemm_microkernel.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

constexpr size_t k_packed_floats = 8192;                      // 32 KB on the stack
constexpr size_t k_packed_depth = k_packed_floats / k_panel;  // longest k of one packed panel: 512
constexpr size_t k_packed_panels = 4;                         // 256 bytes of each row at a time please the prefetcher
constexpr size_t k_sum_rows = 64;

/// Panels of columns col..col_end and k values from row r of a plain matrix; what lies beyond col_end is filled with 0.
void pack(const Gemm& g, size_t r, size_t k, size_t col, size_t col_end, float* packed) {
  for (size_t panel = 0; col < col_end; ++panel, col += k_panel) {
    const float* from = g.rhs + col / k_panel * g.rhs_panel_stride + r * g.rhs_k_stride;
    float* to = packed + panel * k * k_panel;
    const size_t columns = col_end - col < k_panel ? col_end - col : k_panel;
    for (size_t i = 0; i < k; ++i, from += g.rhs_k_stride, to += k_panel) {
      for (size_t j = 0; j < k_panel; j += Vec::lanes)
        store(columns > j ? load_up_to(from + j, columns - j) : zero(), to + j);
    }
  }
}

/// A rhs whose rows lie far apart fights for a few cache sets, and one that ends inside a vector may not be read there:
/// panels are copied first, four at a time, and long ones in blocks of k with the sums kept aside.
void gemm_plain(const Gemm& g, Product p) {
  alignas(64) float packed[k_packed_floats];
  alignas(64) float sums[k_sum_rows * k_panel];
  p.rhs_k_stride = k_panel;
  if (g.k <= k_packed_depth) {
    size_t panels = k_packed_depth / g.k;
    if (panels > k_packed_panels) panels = k_packed_panels;
    p.rhs_panel_stride = g.k * k_panel;
    for (size_t col = 0; col < g.n; col += panels * k_panel) {
      const size_t col_end = g.n - col < panels * k_panel ? g.n : col + panels * k_panel;
      pack(g, 0, g.k, col, col_end, packed);
      gemm_panels(p, packed, 0, g.m, col, col_end);
    }
    return;
  }
  p.rhs_panel_stride = 0;  // one panel at a time
  for (size_t col = 0; col < g.n; col += k_panel) {
    const size_t col_end = g.n - col < k_panel ? g.n : col + k_panel;
    for (size_t row = 0; row < g.m; row += k_sum_rows) {
      Gemm part = g;  // the rows whose sums are kept
      part.m = g.m - row < k_sum_rows ? g.m - row : k_sum_rows;
      part.dst += row * g.dst_stride;
      if (g.residual != nullptr) part.residual += row * g.residual_stride;
      p.gemm = &part;
      for (size_t r = 0; r < g.k; r += k_packed_depth) {
        p.k = g.k - r < k_packed_depth ? g.k - r : k_packed_depth;
        pack(g, r, p.k, col, col_end, packed);
        part.lhs = g.lhs + row * g.lhs_stride + r;
        p.sums_in = r == 0 ? nullptr : sums;
        p.sums_out = r + p.k == g.k ? nullptr : sums;
        gemm_panels(p, packed, 0, part.m, col, col_end);
      }
    }
  }
}

}  // namespace

void f32_gemm(const Gemm& g) {
  const Product p = {&g, g.k, 1, 0, g.rhs_k_stride, g.rhs_panel_stride, nullptr, nullptr};
  const bool ends_inside_vector = !g.rhs_padded && g.n % Vec::lanes != 0;
  const bool rows_far_apart = g.m >= 32 && g.rhs_k_stride > 4 * k_panel && g.k * g.rhs_k_stride > 4096;
  if (g.k > 0 && (ends_inside_vector || rows_far_apart))
    gemm_plain(g, p);
  else
    gemm_blocked(p, g.m, g.n, g.rhs);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
