#include "kernels/table.h"

#include "kernels/ops/declare.h"
#include "kernels/simd/vec.h"

#define LEMORE_CONCAT(a, b) a##b
#define LEMORE_TABLE(isa) LEMORE_CONCAT(table_, isa)
#define LEMORE_QUOTE(text) #text
#define LEMORE_NAME(isa) LEMORE_QUOTE(isa)

namespace lemore::kernels {

namespace isa = LEMORE_ISA_NAME;

extern const KernelTable LEMORE_TABLE(LEMORE_ISA_NAME);
const KernelTable LEMORE_TABLE(LEMORE_ISA_NAME) = {
    LEMORE_NAME(LEMORE_ISA_NAME),
    isa::Vec::lanes,
    isa::f32_gemm,
    isa::f32_stem_conv,
    isa::f32_dwconv,
    isa::f32_window_mean,
    isa::f32_gate,
    isa::f32_scale_bias,
    isa::f32_resize,
    isa::f32_gated_fusion,
    isa::f32_transpose_keys,
    isa::f32_nested_attention,
    isa::u8_label_map,
    isa::f32_argmax,
    isa::u8_preprocess,
    isa::f32_interleave,
};

}  // namespace lemore::kernels
