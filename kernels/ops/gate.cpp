#include "kernels/ops/gate.h"

#include "kernels/simd/math.h"
#include "kernels/simd/vec.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

// One variant for each set of factors that are there, chosen once a call.
template <bool HasH, bool HasW, bool HasSkip>
LEMORE_INLINE void gate_rows(const Gate& a) {
  for (size_t r = 0; r < a.rows; ++r) {
    const float* a_h = HasH ? a.a_h + r * a.a_h_stride : nullptr;
    for (size_t q = 0; q < a.w; ++q) {
      const size_t at = (r * a.w + q) * a.c;
      for (size_t i = 0; i < a.c; i += Vec::lanes) {
        const size_t n = a.c - i;
        Vec v = load_up_to(a.x + at + i, n);
        if (HasH) v = v * load_up_to(a_h + i, n);
        if (HasW) v = v * load_up_to(a.a_w + q * a.c + i, n);
        if (HasSkip) v = v + load_up_to(a.skip + at + i, n);
        store_up_to(v, a.y + at + i, n);
      }
    }
  }
}

template <bool HasH, bool HasW>
LEMORE_INLINE void gate_skip(const Gate& a) {
  if (a.skip)
    gate_rows<HasH, HasW, true>(a);
  else
    gate_rows<HasH, HasW, false>(a);
}

void f32_gate(const Gate& a) {
  if (a.a_h && a.a_w)
    gate_skip<true, true>(a);
  else if (a.a_h)
    gate_skip<true, false>(a);
  else if (a.a_w)
    gate_skip<false, true>(a);
  else {
    // A plain sum: one run a row, so that few channels fill whole vectors.
    Gate flat = a;
    flat.c = a.w * a.c;
    flat.w = 1;
    gate_skip<false, false>(flat);
  }
}

template <class Act>
LEMORE_INLINE void scale_bias(const ScaleBias& a, const Act& act) {
  for (size_t p = 0; p < a.pixels; ++p) {
    const float* x = a.x + p * a.c;
    float* y = a.y + p * a.c;
    for (size_t i = 0; i < a.c; i += Vec::lanes) {
      const size_t n = a.c - i;
      const Vec v = mul_add(load_up_to(x + i, n), load_up_to(a.scale + i, n), load_up_to(a.bias + i, n));
      store_up_to(act(v), y + i, n);
    }
  }
}

void f32_scale_bias(const ScaleBias& a) {
  // The two that the network uses are chosen outside the loop, the others a vector at a time.
  if (a.activation == Activation::none)
    scale_bias(a, [](Vec v) { return v; });
  else if (a.activation == Activation::relu6)
    scale_bias(a, [](Vec v) { return relu6(v); });
  else
    scale_bias(a, [kind = a.activation](Vec v) { return activate(v, kind); });
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
