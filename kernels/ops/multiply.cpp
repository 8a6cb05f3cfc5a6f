#include "kernels/ops/multiply.h"

#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

constexpr size_t k_panel_vectors = k_panel / Vec::lanes;

/// The widest tile in vectors and the rows of a tile nv vectors wide. A tile keeps rows * nv sums, nv vectors of rhs
/// and one broadcast element of lhs in registers; 8 or more sums hide the latency of the multiply-add (4 cycles, 2 a
/// cycle).
///
///   lanes  registers  tile                              sums + rhs + broadcast (+ product)
///   16     32         8 x 3 (two or one panel: 8 x 2, 8 x 1)      24 + 3 + 1
///    8     16         6 x 2 = one panel; 4 x 3 at the end         12 + 2 + 1; 12 + 3 + 1
///    4     32         6 x 4 = one panel                           24 + 4 + 1
///    4     16         4 x 2 = half a panel                         8 + 2 + 1 + 1
constexpr size_t k_tile_vectors = Vec::lanes == 16 ? 3 : Vec::lanes == 8 ? 3 : k_registers == 32 ? 4 : 2;
constexpr size_t tile_rows(size_t nv) {
  return Vec::lanes == 16 ? 8 : Vec::lanes == 8 ? (nv == 3 ? 4 : 6) : k_registers == 32 ? 6 : 4;
}

/// How many vectors the next tile covers when `left` of them are left, starting where a tile may start.
LEMORE_INLINE size_t next_tile_vectors(size_t left) {
  if (Vec::lanes == 16) return left == 4 ? 2 : left < 3 ? left : 3;  // 4 = 2 + 2: one panel alone is limited by loads
  if (Vec::lanes == 8) return left == 3 ? 3 : left < 2 ? left : 2;   // n = 40: 2 + 3, not 2 + 2 + 1
  return left < k_tile_vectors ? left : k_tile_vectors;
}

/// Sigmoid and its kin would be inlined once for each sum of a tile; they run in a loop over its copy in memory.
__attribute__((noinline)) void activate_values(float* values, size_t vectors, Activation activation) {
  for (size_t i = 0; i < vectors; ++i)
    store(activate(load(values + i * Vec::lanes), activation), values + i * Vec::lanes);
}

/// Sums of mr rows from `row` and nv vectors of columns from `col`; the last vector has `last` valid columns.
template <size_t mr, size_t nv>
__attribute__((noinline)) void multiply_tile(const Product& p, const float* rhs, size_t row, size_t col, size_t last) {
  const Gemm& g = *p.gemm;
  Vec sum[mr][nv];
  LEMORE_UNROLL
  for (size_t i = 0; i < mr; ++i) {
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) sum[i][v] = zero();
  }
  if (p.sums_in != nullptr) {
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v)
        sum[i][v] = load(p.sums_in + (row + i) * k_panel + (col % k_panel) + v * Vec::lanes);
    }
  }

  const float* lhs[mr];
  LEMORE_UNROLL
  for (size_t i = 0; i < mr; ++i) lhs[i] = g.lhs + (row + i) * g.lhs_stride;
  for (size_t run = 0; run < p.runs; ++run) {
    for (size_t r = 0; r < p.k; ++r) {
      Vec b[nv];
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v)
        b[v] = load(rhs + v / k_panel_vectors * p.rhs_panel_stride + v % k_panel_vectors * Vec::lanes);
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) {
        const Vec a = set(lhs[i][r]);
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) sum[i][v] = mul_add(a, b[v], sum[i][v]);
      }
      rhs += p.rhs_k_stride;
    }
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) lhs[i] += p.run_stride;
  }

  if (p.sums_out != nullptr) {
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v)
        store(sum[i][v], p.sums_out + (row + i) * k_panel + (col % k_panel) + v * Vec::lanes);
    }
    return;
  }

  // One column at a time keeps scale and bias in a register; the loops over the tile are unrolled.
  const auto count = [last](size_t v) { return v + 1 == nv ? last : Vec::lanes; };
  float* dst = g.dst + row * g.dst_stride + col;
  if (g.accumulate) {
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) {
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i)
        sum[i][v] = sum[i][v] + load_up_to(dst + i * g.dst_stride + v * Vec::lanes, count(v));
    }
  }
  if (g.scale != nullptr) {
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) {
      const Vec scale = load_up_to(g.scale + col + v * Vec::lanes, count(v));
      const Vec bias = g.bias != nullptr ? load_up_to(g.bias + col + v * Vec::lanes, count(v)) : zero();
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) sum[i][v] = mul_add(sum[i][v], scale, bias);
    }
  } else if (g.bias != nullptr) {
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) {
      const Vec bias = load_up_to(g.bias + col + v * Vec::lanes, count(v));
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) sum[i][v] = sum[i][v] + bias;
    }
  }
  if (g.activation == Activation::relu6 || g.activation == Activation::relu) {
    // Infinity as the upper bound makes it relu; bound first, so that NaN passes.
    const Vec bound = set(g.activation == Activation::relu6 ? 6.0f : __builtin_inff());
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v) sum[i][v] = min(bound, max(zero(), sum[i][v]));
    }
  } else if (g.activation != Activation::none) {
    float values[mr * nv * Vec::lanes];
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v) store(sum[i][v], values + (i * nv + v) * Vec::lanes);
    }
    activate_values(values, mr * nv, g.activation);
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v) sum[i][v] = load(values + (i * nv + v) * Vec::lanes);
    }
  }
  if (g.residual != nullptr) {
    const float* residual = g.residual + row * g.residual_stride + col;
    LEMORE_UNROLL
    for (size_t v = 0; v < nv; ++v) {
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i)
        sum[i][v] = sum[i][v] + load_up_to(residual + i * g.residual_stride + v * Vec::lanes, count(v));
    }
  }
  LEMORE_UNROLL
  for (size_t v = 0; v < nv; ++v) {
    LEMORE_UNROLL
    for (size_t i = 0; i < mr; ++i) store_up_to(sum[i][v], dst + i * g.dst_stride + v * Vec::lanes, count(v));
  }
}

/// All rows row_begin..row_end of one tile's columns. Row tails take smaller tiles; a sum has the same order in each.
template <size_t nv>
void multiply_columns(const Product& p, const float* rhs, size_t row, size_t row_end, size_t col, size_t last) {
  constexpr size_t mr = tile_rows(nv);
  for (; row_end - row >= mr; row += mr) multiply_tile<mr, nv>(p, rhs, row, col, last);
  if (mr > 4 && row_end - row >= 4) {
    multiply_tile<4, nv>(p, rhs, row, col, last);
    row += 4;
  }
  if (row_end - row >= 2) {
    multiply_tile<2, nv>(p, rhs, row, col, last);
    row += 2;
  }
  if (row_end > row) multiply_tile<1, nv>(p, rhs, row, col, last);
}

}  // namespace

void multiply_panels(const Product& p, const float* rhs, size_t row_begin, size_t row_end, size_t col_begin,
                     size_t col_end) {
  size_t left = (col_end - col_begin + Vec::lanes - 1) / Vec::lanes;
  for (size_t vector = 0; left > 0;) {
    const size_t nv = next_tile_vectors(left), col = col_begin + vector * Vec::lanes;
    const float* b = rhs + vector / k_panel_vectors * p.rhs_panel_stride + vector % k_panel_vectors * Vec::lanes;
    const size_t last = left == nv ? col_end - col - (nv - 1) * Vec::lanes : Vec::lanes;
    switch (nv) {
      case 1:
        multiply_columns<1>(p, b, row_begin, row_end, col, last);
        break;
      case 2:
        multiply_columns<2>(p, b, row_begin, row_end, col, last);
        break;
      case 3:
        if constexpr (k_tile_vectors >= 3) multiply_columns<3>(p, b, row_begin, row_end, col, last);
        break;
      default:
        if constexpr (k_tile_vectors >= 4) multiply_columns<4>(p, b, row_begin, row_end, col, last);
    }
    vector += nv;
    left -= nv;
  }
}

void multiply(const Product& p, size_t m, size_t n, const float* rhs) {
  // The lhs of a block (16 KB) and one panel of rhs stay in the cache together.
  const size_t row_floats = p.k * p.runs;
  constexpr size_t block_floats = 4096, step = 24;  // a multiple of every tile's rows
  size_t block = row_floats == 0 ? m : block_floats / row_floats / step * step;
  if (block == 0) block = step;
  for (size_t row = 0; row < m; row += block) multiply_panels(p, rhs, row, m - row < block ? m : row + block, 0, n);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
