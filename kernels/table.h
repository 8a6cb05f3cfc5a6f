#pragma once

#include "kernels/ops/dwconv.h"
#include "kernels/ops/gate.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/label_map.h"
#include "kernels/ops/nested_attention.h"
#include "kernels/ops/pool.h"
#include "kernels/ops/preprocess.h"
#include "kernels/ops/resize.h"
#include "kernels/ops/stem_conv.h"

namespace lemore::kernels {

/// Every kernel of one instruction set. The only thing an ISA's objects export.
struct KernelTable {
  const char* isa;
  size_t lanes;  ///< floats per vector
  F32Gemm gemm;
  F32StemConv stem_conv;
  F32DepthwiseConv dwconv;
  F32WindowMean window_mean;
  F32Gate gate;
  F32ScaleBias scale_bias;
  F32Resize resize;
  F32GatedFusion gated_fusion;
  F32TransposeKeys transpose_keys;
  F32NestedAttention nested_attention;
  F32LabelMap label_map;
  F32Argmax argmax;
  F32Preprocess preprocess;
  F32Interleave interleave;
};

// Defined where the build has them (LEMORE_HAVE_<ISA>).
extern const KernelTable table_portable;
extern const KernelTable table_avx2;
extern const KernelTable table_avx512;
extern const KernelTable table_neon;

}  // namespace lemore::kernels
