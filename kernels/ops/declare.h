#pragma once

// The bodies of one ISA, defined in kernels/ops/*.cpp and listed in table.cpp.

#include "kernels/table.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

void f32_gemm(const Gemm& args);
void f32_stem_conv(const StemConv& args);
void f32_dwconv(const DepthwiseConv& args);
void f32_window_mean(const WindowMean& args);
void f32_gate(const Gate& args);
void f32_scale_bias(const ScaleBias& args);
void f32_resize(const Resize& args);
void f32_gated_fusion(const GatedFusion& args);
void f32_transpose_keys(const TransposeKeys& args);
void f32_nested_attention(const NestedAttention& args);
void u8_label_map(const LabelMapArgs& args);
void f32_argmax(const Argmax& args);
void u8_preprocess(const Preprocess& args);
void f32_interleave(const Interleave& args);

}  // namespace lemore::kernels::LEMORE_ISA_NAME
