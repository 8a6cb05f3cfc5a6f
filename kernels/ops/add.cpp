#include "kernels/ops/add.h"

#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

void f32_add(const Add& args) {
  for (size_t i = 0; i < args.n; i += Vec::lanes) {
    const size_t n = args.n - i;
    store_up_to(load_up_to(args.a + i, n) + load_up_to(args.b + i, n), args.y + i, n);
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
