#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/simd/reduce_x86.h"

namespace lemore::kernels::LEMORE_ISA_NAME {

constexpr size_t k_registers = 16;

struct Vec {
  static constexpr size_t lanes = 8;
  __m256 v;
};
struct Int {
  static constexpr size_t lanes = 8;
  __m256i v;
};
struct Mask {
  __m256 v;  ///< all bits of a lane, or none
};

LEMORE_INLINE Int set_int(int32_t x) { return {_mm256_set1_epi32(x)}; }
LEMORE_INLINE Int iota() { return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)}; }
LEMORE_INLINE __m256i first_n(size_t n) { return _mm256_cmpgt_epi32(set_int(static_cast<int32_t>(n)).v, iota().v); }

LEMORE_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
LEMORE_INLINE Vec load_n(const float* p, size_t n) { return {_mm256_maskload_ps(p, first_n(n))}; }
LEMORE_INLINE void store(Vec v, float* p) { _mm256_storeu_ps(p, v.v); }
LEMORE_INLINE void store_n(Vec v, float* p, size_t n) { _mm256_maskstore_ps(p, first_n(n), v.v); }
LEMORE_INLINE Vec load_u8(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))};
}
LEMORE_INLINE Vec load_u8_n(const uint8_t* p, size_t n) {
  uint8_t bytes[8] = {};
  for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
  return load_u8(bytes);
}
LEMORE_INLINE void store_u8(Int v, uint8_t* p) {
  // Low byte of each lane to the front of its half, then the halves together.
  const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                                       0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(v.v, low);
  const __m128i bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
}
LEMORE_INLINE void store_u8_n(Int v, uint8_t* p, size_t n) {
  uint8_t bytes[8];
  store_u8(v, bytes);
  for (size_t i = 0; i < n; ++i) p[i] = bytes[i];
}

LEMORE_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
LEMORE_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }

LEMORE_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
LEMORE_INLINE Vec operator-(Vec a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
LEMORE_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
LEMORE_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }

LEMORE_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
LEMORE_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
LEMORE_INLINE Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }

LEMORE_INLINE Mask operator<(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
LEMORE_INLINE Mask operator<=(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
LEMORE_INLINE Mask operator>(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
LEMORE_INLINE Mask operator>=(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
LEMORE_INLINE Mask operator==(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
LEMORE_INLINE Mask is_nan(Vec a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
LEMORE_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
LEMORE_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
LEMORE_INLINE Mask operator~(Mask a) { return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))}; }
LEMORE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
LEMORE_INLINE Int select(Mask m, Int a, Int b) { return {_mm256_blendv_epi8(b.v, a.v, _mm256_castps_si256(m.v))}; }
LEMORE_INLINE unsigned mask_bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_ps(m.v)); }
LEMORE_INLINE bool any(Mask m) { return mask_bits(m) != 0; }

LEMORE_INLINE float reduce_add(Vec a) { return reduce_add8(a.v); }
LEMORE_INLINE float reduce_min(Vec a) { return reduce_min8(a.v); }
LEMORE_INLINE float reduce_max(Vec a) { return reduce_max8(a.v); }

LEMORE_INLINE Int operator+(Int a, Int b) { return {_mm256_add_epi32(a.v, b.v)}; }
LEMORE_INLINE Int operator-(Int a, Int b) { return {_mm256_sub_epi32(a.v, b.v)}; }
LEMORE_INLINE Int half(Int a) { return {_mm256_srai_epi32(a.v, 1)}; }
LEMORE_INLINE Int to_int(Vec a) { return {_mm256_cvtps_epi32(a.v)}; }
LEMORE_INLINE Vec to_float(Int a) { return {_mm256_cvtepi32_ps(a.v)}; }
LEMORE_INLINE Vec pow2(Int n) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n.v, _mm256_set1_epi32(127)), 23))};
}
LEMORE_INLINE Vec low_bits_to_exponent(Vec v) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v.v), 23))};
}
LEMORE_INLINE int32_t reduce_min(Int a) { return reduce_min8(a.v); }

}  // namespace lemore::kernels::LEMORE_ISA_NAME
