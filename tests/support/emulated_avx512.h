#pragma once

// What kernels/simd/vec_avx512.h includes instead of <immintrin.h> when the instructions are emulated: SIMDe, and in
// plain loops the instructions that SIMDe 0.7.4 lacks. Masked ones touch the lanes of their mask only, as the real ones
// do.

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

using __mmask16 = simde__mmask16;

namespace lemore::emulated {

template <typename T, typename Vector>
struct Lanes {
  static constexpr int count = sizeof(Vector) / sizeof(T);
  T lane[count];

  explicit Lanes(Vector v) { __builtin_memcpy(lane, &v, sizeof(v)); }
  Lanes() : lane() {}
  Vector vector() const {
    Vector v;
    __builtin_memcpy(&v, lane, sizeof(v));
    return v;
  }
};

using F32x16 = Lanes<float, simde__m512>;
using I32x16 = Lanes<int32_t, simde__m512i>;
using U8x16 = Lanes<uint8_t, simde__m128i>;

template <typename Lanes, typename T>
Lanes masked_load(__mmask16 mask, const T* from) {
  Lanes r;
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) r.lane[i] = from[i];
  return r;
}

template <typename Lanes, typename T>
void masked_store(T* to, __mmask16 mask, const Lanes& v) {
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) to[i] = v.lane[i];
}

/// Each lane of `to` is function(the same lane of `from`).
template <typename To, typename From, typename Function>
To map(const From& from, Function function) {
  To to;
  for (int i = 0; i < 16; ++i) to.lane[i] = static_cast<decltype(+to.lane[0])>(function(from.lane[i]));
  return to;
}

/// Round to nearest, ties to even, as cvtps2dq does; what it can't represent gives the smallest integer.
inline int32_t round_to_int(float x) {
  if (!(x >= -2147483648.0f && x < 2147483648.0f)) return INT32_MIN;
  const double shifted = static_cast<double>(x) + 6755399441055744.0;  // 1.5 * 2^52
  return static_cast<int32_t>(shifted - 6755399441055744.0);
}

}  // namespace lemore::emulated

inline simde__m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void* p) {
  return lemore::emulated::masked_load<lemore::emulated::F32x16>(mask, static_cast<const float*>(p)).vector();
}
inline void _mm512_mask_storeu_ps(void* p, __mmask16 mask, simde__m512 v) {
  lemore::emulated::masked_store(static_cast<float*>(p), mask, lemore::emulated::F32x16(v));
}
inline simde__m128i _mm_maskz_loadu_epi8(__mmask16 mask, const void* p) {
  return lemore::emulated::masked_load<lemore::emulated::U8x16>(mask, static_cast<const uint8_t*>(p)).vector();
}
inline void _mm_mask_storeu_epi8(void* p, __mmask16 mask, simde__m128i v) {
  lemore::emulated::masked_store(static_cast<uint8_t*>(p), mask, lemore::emulated::U8x16(v));
}
inline simde__m512i _mm512_cvtepu8_epi32(simde__m128i v) {
  using namespace lemore::emulated;
  return map<I32x16>(U8x16(v), [](uint8_t x) { return x; }).vector();
}
inline simde__m128i _mm512_cvtepi32_epi8(simde__m512i v) {
  using namespace lemore::emulated;
  return map<U8x16>(I32x16(v), [](int32_t x) { return x & 0xff; }).vector();
}
inline simde__m512 _mm512_cvtepi32_ps(simde__m512i v) {
  using namespace lemore::emulated;
  return map<F32x16>(I32x16(v), [](int32_t x) { return x; }).vector();
}
inline simde__m512i _mm512_cvtps_epi32(simde__m512 v) {
  using namespace lemore::emulated;
  return map<I32x16>(F32x16(v), round_to_int).vector();
}
inline simde__m512i _mm512_srai_epi32(simde__m512i v, unsigned count) {
  using namespace lemore::emulated;
  return map<I32x16>(I32x16(v), [=](int32_t x) { return x >> count; }).vector();
}
inline simde__m256 _mm512_extractf32x8_ps(simde__m512 v, int half) {
  simde__m256 r;
  __builtin_memcpy(&r, reinterpret_cast<const char*>(&v) + half * sizeof(r), sizeof(r));
  return r;
}
