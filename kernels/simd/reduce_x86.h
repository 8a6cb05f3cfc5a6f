#pragma once

// The last steps of every reduction on x86: eight lanes to one, lane i with lane i + 4, then 2, then 1. The order is
// ours, not the compiler's. Included by vec_avx2.h and vec_avx512.h after their intrinsics.

#include <stdint.h>

namespace lemore::kernels::LEMORE_ISA_NAME {

LEMORE_INLINE float reduce_add8(__m256 a) {
  __m128 r = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  r = _mm_add_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_add_ss(r, _mm_movehdup_ps(r)));
}
LEMORE_INLINE float reduce_min8(__m256 a) {
  __m128 r = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  r = _mm_min_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_min_ss(r, _mm_movehdup_ps(r)));
}
LEMORE_INLINE float reduce_max8(__m256 a) {
  __m128 r = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  r = _mm_max_ps(r, _mm_movehl_ps(r, r));
  return _mm_cvtss_f32(_mm_max_ss(r, _mm_movehdup_ps(r)));
}
LEMORE_INLINE int32_t reduce_min8(__m256i a) {
  __m128i r = _mm_min_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  r = _mm_min_epi32(r, _mm_shuffle_epi32(r, 0x4e));
  return _mm_cvtsi128_si32(_mm_min_epi32(r, _mm_shuffle_epi32(r, 0xb1)));
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
