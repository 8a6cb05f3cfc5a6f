#include "kernels/ops/gemm_microkernel.h"

#include "kernels/simd/math.h"
#include "kernels/simd/unroll.h"

namespace lemore::kernels::LEMORE_ISA_NAME {
namespace {

constexpr size_t k_panel_vectors = k_panel / Vec::lanes;

/// The tiles of an ISA. A tile keeps rows * vectors sums, a vector of rhs for each column of them and one broadcast
/// element of lhs in registers; 8 or more sums hide the latency of the multiply-add (4 cycles, 2 a cycle).
struct Tiles {
  unsigned char lanes, registers;  ///< of the ISA that they are for
  unsigned char rows[4];           ///< rows of a tile that is 1, 2, 3, 4 vectors wide; 0: there is none
  unsigned char row_step;          ///< a multiple of every tile's rows
  unsigned char next[5];  ///< width of the next tile when 1, 2, 3, 4 or more vectors are left, where a tile may start
};

constexpr Tiles k_tiles_of_isas[] = {
    // Panels of one vector: 8 x 3, of two panels 8 x 2 (four left are 2 + 2: one alone is limited by loads), of one
    // 16 x 1.
    {16, 32, {16, 8, 8, 0}, 16, {1, 2, 3, 2, 3}},
    // Panels of two vectors: 6 x 2, and 4 x 3 at the end (40 columns are 2 + 3, not 2 + 2 + 1).
    {8, 16, {6, 6, 4, 0}, 12, {1, 2, 3, 2, 2}},
    // Panels of four vectors: 5 x 4 (a row of lhs is loaded at once, into 5 registers), and 6 x 1..3 at the end.
    {4, 32, {6, 6, 6, 5}, 30, {1, 2, 3, 4, 4}},
    // The same panels with half the registers: 4 x 2, one register more for the product where it is not fused.
    {4, 16, {4, 4, 0, 0}, 4, {1, 2, 2, 2, 2}},
};

constexpr Tiles tiles_of_this_isa() {
  for (const Tiles& t : k_tiles_of_isas)
    if (t.lanes == Vec::lanes && t.registers == k_registers) return t;
  return {};
}
constexpr Tiles k_tiles = tiles_of_this_isa();
static_assert(k_tiles.lanes != 0, "the table above has no line for this ISA");

constexpr size_t tile_rows(size_t nv) { return k_tiles.rows[nv - 1]; }

/// How many vectors the next tile covers when `left` > 0 of them are left.
LEMORE_INLINE size_t next_tile_vectors(size_t left) { return k_tiles.next[left < 5 ? left - 1 : 4]; }

/// The end of a tile that the quick path does not know: `rows` rows of sums, `vectors` in each, from (row, col) of dst.
__attribute__((noinline)) void finish(const Gemm& g, float* sums, size_t rows, size_t vectors, size_t row, size_t col,
                                      size_t last) {
  for (size_t i = 0; i < rows; ++i) {
    for (size_t v = 0; v < vectors; ++v) {
      const size_t n = v + 1 == vectors ? last : Vec::lanes, at = col + v * Vec::lanes;
      Vec sum = load(sums + (i * vectors + v) * Vec::lanes);
      if (g.scale != nullptr)
        sum = mul_add(sum, load_up_to(g.scale + at, n), g.bias != nullptr ? load_up_to(g.bias + at, n) : zero());
      else if (g.accumulate && g.bias != nullptr)
        sum = sum + load_up_to(g.bias + at, n);
      sum = activate(sum, g.activation);
      if (g.residual != nullptr) sum = sum + load_up_to(g.residual + (row + i) * g.residual_stride + at, n);
      store_up_to(sum, g.dst + (row + i) * g.dst_stride + at, n);
    }
  }
}

/// Rows row..row_end of nv vectors of columns from `col`, as many whole tiles of mr rows as there are; the last vector
/// has `last` valid columns. Gives the first row left. A sum begins with what it adds to, or else the bias.
template <size_t mr, size_t nv>
__attribute__((noinline)) size_t gemm_microkernel(const Product& p, const float* rhs, size_t row, size_t row_end,
                                                  size_t col, size_t last) {
  const Gemm& g = *p.gemm;
  // Copies, which a store through a vector's type cannot change.
  const size_t k = p.k, runs = p.runs, run_stride = p.run_stride, b_step = p.rhs_k_stride;
  const size_t panel_stride = p.rhs_panel_stride, dst_stride = g.dst_stride;
  const float *const sums_in = p.sums_in, *const scales = g.scale, *const biases = g.bias;
  float* const sums_out = p.sums_out;
  float* const dst = g.dst + col;
  const bool accumulate = g.accumulate;

  const auto count = [last](size_t v) { return v + 1 == nv ? last : Vec::lanes; };
  const bool bias_first = biases != nullptr && scales == nullptr && !accumulate && sums_in == nullptr;
  const bool is_relu = g.activation == Activation::relu6 || g.activation == Activation::relu;
  // Infinity as the upper bound makes it relu; bound first, so that NaN passes.
  const Vec bound = set(g.activation == Activation::relu6 ? 6.0f : __builtin_inff());
  const bool bias_last = accumulate && biases != nullptr && scales == nullptr;
  const bool quick =
      !(k_small_code && (g.residual != nullptr || bias_last)) && (is_relu || g.activation == Activation::none);
  // Rows beyond the eighth are reached from a second pointer: integer registers are few, too.
  constexpr size_t near_rows = mr > 8 ? mr / 2 : mr;
  size_t row_offset[near_rows];
  LEMORE_UNROLL
  for (size_t i = 0; i < near_rows; ++i) row_offset[i] = i * g.lhs_stride;
  const float* lhs = g.lhs + row * g.lhs_stride;
  for (; row_end - row >= mr; row += mr) {
    Vec sum[mr][nv];
    if (bias_first) {
      LEMORE_UNROLL
      for (size_t v = 0; v < nv; ++v) {
        const Vec bias = load_up_to(biases + col + v * Vec::lanes, count(v));
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) sum[i][v] = bias;
      }
    } else {
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) sum[i][v] = zero();
      }
      if (sums_in != nullptr) {
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) {
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v)
            sum[i][v] = load(sums_in + (row + i) * k_panel + (col % k_panel) + v * Vec::lanes);
        }
      } else if (accumulate) {
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) {
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v)
            sum[i][v] = load_up_to(dst + (row + i) * dst_stride + v * Vec::lanes, count(v));
        }
      }
    }

    const float* b_row = rhs;
    for (size_t run = 0; run < runs; ++run) {
      const float* a_column = lhs + run * run_stride;
      const float* far_column = a_column + near_rows * g.lhs_stride;
      for (size_t r = k; r > 0; --r) {
        Vec b[nv];
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v)
          b[v] = load(b_row + v / k_panel_vectors * panel_stride + v % k_panel_vectors * Vec::lanes);
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) {
          const Vec a = set(i < near_rows ? a_column[row_offset[i]] : far_column[row_offset[i - near_rows]]);
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v) sum[i][v] = mul_add(a, b[v], sum[i][v]);
        }
        b_row += b_step;
        ++a_column;
        ++far_column;
      }
    }
    lhs += mr * g.lhs_stride;

    if (sums_out != nullptr) {
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v)
          store(sum[i][v], sums_out + (row + i) * k_panel + (col % k_panel) + v * Vec::lanes);
      }
    } else if (quick) {
      if (scales != nullptr) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) {
          const Vec scale = load_up_to(scales + col + v * Vec::lanes, count(v));
          const Vec bias = biases != nullptr ? load_up_to(biases + col + v * Vec::lanes, count(v)) : zero();
          LEMORE_UNROLL
          for (size_t i = 0; i < mr; ++i) sum[i][v] = mul_add(sum[i][v], scale, bias);
        }
      }
      if (!k_small_code && bias_last) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) {
          const Vec bias = load_up_to(biases + col + v * Vec::lanes, count(v));
          LEMORE_UNROLL
          for (size_t i = 0; i < mr; ++i) sum[i][v] = sum[i][v] + bias;
        }
      }
      if (is_relu) {
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) {
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v) sum[i][v] = min(bound, max(zero(), sum[i][v]));
        }
      }
      if (!k_small_code && g.residual != nullptr) {  // not kept in a register, of which the loop above needs all
        const size_t residual_stride = g.residual_stride;
        const float* from = g.residual + row * residual_stride + col;
        LEMORE_UNROLL
        for (size_t i = 0; i < mr; ++i) {
          LEMORE_UNROLL
          for (size_t v = 0; v < nv; ++v)
            sum[i][v] = sum[i][v] + load_up_to(from + i * residual_stride + v * Vec::lanes, count(v));
        }
      }
      float* out = dst + row * dst_stride;
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) store_up_to(sum[i][v], out + i * dst_stride + v * Vec::lanes, count(v));
      }
    } else {
      float sums[mr * nv * Vec::lanes];
      LEMORE_UNROLL
      for (size_t i = 0; i < mr; ++i) {
        LEMORE_UNROLL
        for (size_t v = 0; v < nv; ++v) store(sum[i][v], sums + (i * nv + v) * Vec::lanes);
      }
      finish(g, sums, mr, nv, row, col, last);
    }
  }
  return row;
}

/// All rows row..row_end of one tile's columns. Row tails take smaller tiles; a sum has the same order in each.
template <size_t nv>
void gemm_columns(const Product& p, const float* rhs, size_t row, size_t row_end, size_t col, size_t last) {
  constexpr size_t mr = tile_rows(nv);
  // Two rows alone wait for their own sums and take as long as four: of a last 6 + 2, rather 4 + 4.
  const size_t rows = row_end - row, fours = !k_small_code && mr == 6 && rows % 6 == 2 && rows >= 8 ? 8 : 0;
  row = gemm_microkernel<mr, nv>(p, rhs, row, row_end - fours, col, last);
  if (mr > 8 && row_end - row >= 8) row = gemm_microkernel<8, nv>(p, rhs, row, row_end, col, last);
  if (mr > 4 && row_end - row >= 4) row = gemm_microkernel<4, nv>(p, rhs, row, row_end, col, last);
  if (row_end - row >= 2) row = gemm_microkernel<2, nv>(p, rhs, row, row_end, col, last);
  if (row_end > row) gemm_microkernel<1, nv>(p, rhs, row, row_end, col, last);
}

}  // namespace

void gemm_panels(const Product& p, const float* rhs, size_t row_begin, size_t row_end, size_t col_begin,
                 size_t col_end) {
  size_t left = (col_end - col_begin + Vec::lanes - 1) / Vec::lanes;
  for (size_t vector = 0; left > 0;) {
    const size_t nv = next_tile_vectors(left), col = col_begin + vector * Vec::lanes;
    const float* b = rhs + vector / k_panel_vectors * p.rhs_panel_stride + vector % k_panel_vectors * Vec::lanes;
    const size_t last = left == nv ? col_end - col - (nv - 1) * Vec::lanes : Vec::lanes;
    switch (nv) {
      case 1:
        gemm_columns<1>(p, b, row_begin, row_end, col, last);
        break;
      case 2:
        gemm_columns<2>(p, b, row_begin, row_end, col, last);
        break;
      case 3:
        if constexpr (tile_rows(3) > 0) gemm_columns<3>(p, b, row_begin, row_end, col, last);
        break;
      default:
        if constexpr (tile_rows(4) > 0) gemm_columns<4>(p, b, row_begin, row_end, col, last);
    }
    vector += nv;
    left -= nv;
  }
}

void gemm_blocked(const Product& p, size_t m, size_t n, const float* rhs) {
  // The lhs of a block (16 KB) and one panel of rhs stay in the cache together.
  const size_t row_floats = p.k * p.runs;
  constexpr size_t block_floats = 4096;
  size_t block = row_floats == 0 ? m : block_floats / row_floats / k_tiles.row_step * k_tiles.row_step;
  if (block == 0) block = k_tiles.row_step;
  if constexpr (k_small_code) {
    for (size_t row = 0; row < m; row += block) gemm_panels(p, rhs, row, m - row < block ? m : row + block, 0, n);
    return;
  }
  // So do as many columns of rhs in a second-level cache of 512 KB (432 KB of it), while all blocks pass; in whole
  // tiles, which are three panels at most.
  constexpr size_t rhs_floats = 108 * 1024, column_step = 3 * k_panel;
  size_t columns = row_floats * n <= rhs_floats ? n : rhs_floats / row_floats / column_step * column_step;
  if (columns == 0) columns = n < column_step ? n : column_step;
  for (size_t col = 0; col < n; col += columns) {
    const size_t col_end = n - col < columns ? n : col + columns;
    for (size_t row = 0; row < m; row += block)
      gemm_panels(p, rhs, row, m - row < block ? m : row + block, col, col_end);
    rhs += columns / k_panel * p.rhs_panel_stride;
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
