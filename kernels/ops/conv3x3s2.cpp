#include "kernels/ops/conv3x3s2.h"

#include "kernels/ops/gemm_microkernel.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

/// A product with k = 27: an output pixel reads three runs of 9 neighbouring floats, its right neighbour starts 2
/// pixels on.
void f32_conv3x3s2(const Conv3x3s2& args) {
  Gemm g = {};
  g.lhs_stride = 2 * 3;
  g.dst_stride = args.out_c;
  g.bias = args.bias;
  g.activation = args.activation;
  const Product p = {&g, 9, 3, args.x_stride, k_panel, 27 * k_panel, nullptr, nullptr};
  for (size_t row = args.row_begin; row < args.row_end; ++row) {
    g.lhs = args.x + 2 * row * args.x_stride;
    g.dst = args.y + row * args.out_w * args.out_c;
    gemm_blocked(p, args.out_w, args.out_c, args.weight);
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
