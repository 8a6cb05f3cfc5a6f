#include "kernels/ops/max_pool.h"

#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

void f32_max_pool(const MaxPool& a) {
  float* y = a.y;
  for (size_t row = a.row_begin; row < a.row_end; ++row) {
    for (size_t o = 0; o < a.out_w; ++o, y += a.c) {
      const float* window = a.x + (row * a.w + o) * a.stride * a.c;
      for (size_t i = 0; i < a.c; i += Vec::lanes) {
        const size_t n = a.c - i;
        Vec best = load_up_to(window + i, n);
        for (size_t r = 0; r < a.kh; ++r) {
          for (size_t q = 0; q < a.kw; ++q) {
            const Vec v = load_up_to(window + (r * a.w + q) * a.c + i, n);
            best = select((v > best) | is_nan(v), v, best);
          }
        }
        store_up_to(best, y + i, n);
      }
    }
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
