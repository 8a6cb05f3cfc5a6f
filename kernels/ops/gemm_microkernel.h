#pragma once

// Products of small matrices in registers, shared by the kernels that multiply.

#include "kernels/ops/gemm.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

/// A Gemm whose lhs rows are `runs` pieces of k values, `run_stride` apart (the stem's three image rows), and whose
/// sums may come from and go to a buffer instead of dst, when k is split in blocks.
struct Product {
  const Gemm* gemm;
  size_t k, runs, run_stride;
  size_t rhs_k_stride, rhs_panel_stride;
  const float* sums_in;  ///< [m, k_panel] or null
  float* sums_out;       ///< the same; null: finish into dst
};

/// Rows row_begin..row_end of the columns col_begin (start of a panel)..col_end; rhs is the panel of col_begin.
/// Whole vectors of rhs are read: col_end falls on the end of one, or what lies behind is readable.
void gemm_panels(const Product& p, const float* rhs, size_t row_begin, size_t row_end, size_t col_begin,
                 size_t col_end);

/// All m rows and n columns, in blocks of rows that fit the first-level cache. The same requirement.
void gemm_blocked(const Product& p, size_t m, size_t n, const float* rhs);

/// The kernel itself (gemm.cpp), for kernels that end in a whole product.
void f32_gemm(const Gemm& g);

}  // namespace lemore::kernels::LEMORE_ISA_NAME
