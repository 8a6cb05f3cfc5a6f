#include "kernels/ops/softmax.h"

#include "kernels/simd/math.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

void f32_softmax(const Softmax& a) {
  const size_t c = a.c, tail = c % Vec::lanes;
  const Mask inside = to_float(iota()) < set(static_cast<float>(tail));
  const Vec lowest = set(-__builtin_inff()), log2_e = set(1.44269504f);
  const auto last = [&](const float* p) { return select(inside, load_n(p, tail), lowest); };
  for (size_t p = 0; p < a.pixels; ++p) {
    const float* x = a.x + p * a.x_stride;
    float* y = a.y + p * a.y_stride;
    Vec largest = lowest;
    size_t i = 0;
    for (; c - i >= Vec::lanes; i += Vec::lanes) largest = max(load(x + i), largest);
    if (tail > 0) largest = max(last(x + i), largest);
    const Vec maximum = set(reduce_max(largest));  // of the numbers; infinity - infinity makes NaN below
    Vec sum = zero();
    for (i = 0; c - i >= Vec::lanes; i += Vec::lanes) {
      const Vec e = exp2_softmax((load(x + i) - maximum) * log2_e);
      store(e, y + i);
      sum = sum + e;
    }
    if (tail > 0) {
      const Vec e = exp2_softmax((last(x + i) - maximum) * log2_e);
      store_n(e, y + i, tail);
      sum = sum + select(inside, e, zero());
    }
    const Vec share = set(1.0f / reduce_add(sum));
    for (i = 0; c - i >= Vec::lanes; i += Vec::lanes) store(load(y + i) * share, y + i);
    if (tail > 0) store_n(load_n(y + i, tail) * share, y + i, tail);
  }
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
