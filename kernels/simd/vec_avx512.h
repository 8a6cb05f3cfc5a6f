#pragma once

// F, BW, DQ and VL. Tests also compile this file on top of an emulation of the instructions, for CPUs that lack them.

#if defined(LEMORE_EMULATED_INTRINSICS)
#include LEMORE_EMULATED_INTRINSICS
#else
#include <immintrin.h>
#endif
#include <stddef.h>
#include <stdint.h>

#include "kernels/simd/reduce_x86.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

constexpr size_t k_registers = 32;

struct Vec {
  static constexpr size_t lanes = 16;
  __m512 v;
};
struct Int {
  static constexpr size_t lanes = 16;
  __m512i v;
};
struct Mask {
  __mmask16 v;
};

LEMORE_INLINE __mmask16 first_n(size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

LEMORE_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
LEMORE_INLINE Vec load_n(const float* p, size_t n) { return {_mm512_maskz_loadu_ps(first_n(n), p)}; }
LEMORE_INLINE void store(Vec v, float* p) { _mm512_storeu_ps(p, v.v); }
LEMORE_INLINE void store_n(Vec v, float* p, size_t n) { _mm512_mask_storeu_ps(p, first_n(n), v.v); }
LEMORE_INLINE Vec load_u8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
}
LEMORE_INLINE Vec load_u8_n(const uint8_t* p, size_t n) {
  const __m128i bytes = _mm_maskz_loadu_epi8(first_n(n), p);
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
}
LEMORE_INLINE void store_u8(Int v, uint8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v.v));
}
LEMORE_INLINE void store_u8_n(Int v, uint8_t* p, size_t n) {
  _mm_mask_storeu_epi8(p, first_n(n), _mm512_cvtepi32_epi8(v.v));
}

LEMORE_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
LEMORE_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
LEMORE_INLINE Int set_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
LEMORE_INLINE Int iota() { return {_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)}; }

LEMORE_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator-(Vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
LEMORE_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
LEMORE_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }

LEMORE_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
LEMORE_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
LEMORE_INLINE Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }

LEMORE_INLINE Mask operator<(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
LEMORE_INLINE Mask operator<=(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
LEMORE_INLINE Mask operator>(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
LEMORE_INLINE Mask operator>=(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
LEMORE_INLINE Mask operator==(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
LEMORE_INLINE Mask is_nan(Vec a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
LEMORE_INLINE Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.v & b.v)}; }
LEMORE_INLINE Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
LEMORE_INLINE Mask operator~(Mask a) { return {static_cast<__mmask16>(~a.v)}; }
LEMORE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }
LEMORE_INLINE Int select(Mask m, Int a, Int b) { return {_mm512_mask_blend_epi32(m.v, b.v, a.v)}; }
LEMORE_INLINE unsigned mask_bits(Mask m) { return m.v; }
LEMORE_INLINE bool any(Mask m) { return m.v != 0; }

// Lane i with lane i + 8, then as eight lanes.
LEMORE_INLINE __m256 low_half(Vec a) { return _mm512_castps512_ps256(a.v); }
LEMORE_INLINE __m256 high_half(Vec a) { return _mm512_extractf32x8_ps(a.v, 1); }
LEMORE_INLINE float reduce_add(Vec a) { return reduce_add8(_mm256_add_ps(low_half(a), high_half(a))); }
LEMORE_INLINE float reduce_min(Vec a) { return reduce_min8(_mm256_min_ps(low_half(a), high_half(a))); }
LEMORE_INLINE float reduce_max(Vec a) { return reduce_max8(_mm256_max_ps(low_half(a), high_half(a))); }

LEMORE_INLINE Int operator+(Int a, Int b) { return {_mm512_add_epi32(a.v, b.v)}; }
LEMORE_INLINE Int operator-(Int a, Int b) { return {_mm512_sub_epi32(a.v, b.v)}; }
LEMORE_INLINE Int half(Int a) { return {_mm512_srai_epi32(a.v, 1)}; }
LEMORE_INLINE Int to_int(Vec a) { return {_mm512_cvtps_epi32(a.v)}; }
LEMORE_INLINE Vec to_float(Int a) { return {_mm512_cvtepi32_ps(a.v)}; }
LEMORE_INLINE Vec pow2(Int n) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n.v, _mm512_set1_epi32(127)), 23))};
}
LEMORE_INLINE Vec low_bits_to_exponent(Vec v) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v.v), 23))};
}
LEMORE_INLINE int32_t reduce_min(Int a) {
  return reduce_min8(_mm256_min_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1)));
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
