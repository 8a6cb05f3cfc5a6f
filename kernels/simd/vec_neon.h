#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

// 64-bit Arm, and 32-bit Arm with NEON and VFPv4 (fused multiply-add). The 32-bit unit has half the registers, neither
// division nor reductions, and treats denormals as zero.

namespace lemore::kernels::LEMORE_ISA_NAME {

#if defined(__aarch64__)
constexpr size_t k_registers = 32;
#else
constexpr size_t k_registers = 16;
#endif

struct Vec {
  static constexpr size_t lanes = 4;
  float32x4_t v;
};
struct Int {
  static constexpr size_t lanes = 4;
  int32x4_t v;
};
struct Mask {
  uint32x4_t v;  ///< all bits of a lane, or none
};

LEMORE_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
LEMORE_INLINE Vec load_n(const float* p, size_t n) {
  if (n >= 4) return load(p);
  float32x4_t r = vdupq_n_f32(0.0f);
  if (n > 0) r = vld1q_lane_f32(p, r, 0);
  if (n > 1) r = vld1q_lane_f32(p + 1, r, 1);
  if (n > 2) r = vld1q_lane_f32(p + 2, r, 2);
  return {r};
}
LEMORE_INLINE void store(Vec v, float* p) { vst1q_f32(p, v.v); }
LEMORE_INLINE void store_n(Vec v, float* p, size_t n) {
  if (n >= 4) return store(v, p);
  if (n > 0) vst1q_lane_f32(p, v.v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v.v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v.v, 2);
}
LEMORE_INLINE Vec load_u8(const uint8_t* p) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, p, sizeof(bytes));
  const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)))};
}
LEMORE_INLINE Vec load_u8_n(const uint8_t* p, size_t n) {
  uint8_t bytes[4] = {};
  for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
  return load_u8(bytes);
}
LEMORE_INLINE void store_u8(Int v, uint8_t* p) {
  const uint16x4_t narrow = vmovn_u32(vreinterpretq_u32_s32(v.v));
  const uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(narrow, narrow))), 0);
  __builtin_memcpy(p, &bytes, sizeof(bytes));
}
LEMORE_INLINE void store_u8_n(Int v, uint8_t* p, size_t n) {
  uint8_t bytes[4];
  store_u8(v, bytes);
  for (size_t i = 0; i < n; ++i) p[i] = bytes[i];
}

LEMORE_INLINE Vec zero() { return {vdupq_n_f32(0.0f)}; }
LEMORE_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }
LEMORE_INLINE Int set_int(int32_t x) { return {vdupq_n_s32(x)}; }
LEMORE_INLINE Int iota() { return {int32x4_t{0, 1, 2, 3}}; }

LEMORE_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
LEMORE_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
LEMORE_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
#if defined(__aarch64__)
LEMORE_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
#else
// Lane by lane: exact, where steps from the estimate of the reciprocal would be off by one and lose infinities.
LEMORE_INLINE Vec operator/(Vec a, Vec b) {
  for (int i = 0; i < 4; ++i) a.v[i] /= b.v[i];
  return a;
}
#endif
LEMORE_INLINE Vec operator-(Vec a) { return {vnegq_f32(a.v)}; }
LEMORE_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
LEMORE_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.v, a.v, b.v)}; }

LEMORE_INLINE Mask operator<(Vec a, Vec b) { return {vcltq_f32(a.v, b.v)}; }
LEMORE_INLINE Mask operator<=(Vec a, Vec b) { return {vcleq_f32(a.v, b.v)}; }
LEMORE_INLINE Mask operator>(Vec a, Vec b) { return {vcgtq_f32(a.v, b.v)}; }
LEMORE_INLINE Mask operator>=(Vec a, Vec b) { return {vcgeq_f32(a.v, b.v)}; }
LEMORE_INLINE Mask operator==(Vec a, Vec b) { return {vceqq_f32(a.v, b.v)}; }
LEMORE_INLINE Mask is_nan(Vec a) { return {vmvnq_u32(vceqq_f32(a.v, a.v))}; }
LEMORE_INLINE Mask operator&(Mask a, Mask b) { return {vandq_u32(a.v, b.v)}; }
LEMORE_INLINE Mask operator|(Mask a, Mask b) { return {vorrq_u32(a.v, b.v)}; }
LEMORE_INLINE Mask operator~(Mask a) { return {vmvnq_u32(a.v)}; }
LEMORE_INLINE Vec select(Mask m, Vec a, Vec b) { return {vbslq_f32(m.v, a.v, b.v)}; }
LEMORE_INLINE Int select(Mask m, Int a, Int b) { return {vbslq_s32(m.v, a.v, b.v)}; }
#if defined(__aarch64__)
LEMORE_INLINE unsigned mask_bits(Mask m) { return vaddvq_u32(vandq_u32(m.v, uint32x4_t{1, 2, 4, 8})); }
LEMORE_INLINE bool any(Mask m) { return vmaxvq_u32(m.v) != 0; }
#else
LEMORE_INLINE unsigned mask_bits(Mask m) {
  const uint32x4_t bits = vandq_u32(m.v, uint32x4_t{1, 2, 4, 8});
  const uint32x2_t pairs = vpadd_u32(vget_low_u32(bits), vget_high_u32(bits));
  return vget_lane_u32(vpadd_u32(pairs, pairs), 0);
}
LEMORE_INLINE bool any(Mask m) {
  const uint32x2_t either = vorr_u32(vget_low_u32(m.v), vget_high_u32(m.v));
  return (vget_lane_u32(either, 0) | vget_lane_u32(either, 1)) != 0;
}
#endif

// Not vminq/vmaxq: those give NaN whenever either side is one, x86 gives b.
LEMORE_INLINE Vec min(Vec a, Vec b) { return select(a < b, a, b); }
LEMORE_INLINE Vec max(Vec a, Vec b) { return select(a > b, a, b); }
LEMORE_INLINE Vec abs(Vec a) { return {vabsq_f32(a.v)}; }

LEMORE_INLINE float reduce_add(Vec a) {
  const float32x2_t r = vadd_f32(vget_low_f32(a.v), vget_high_f32(a.v));
  return vget_lane_f32(r, 0) + vget_lane_f32(r, 1);
}
#if defined(__aarch64__)
LEMORE_INLINE float reduce_min(Vec a) { return vminvq_f32(a.v); }
LEMORE_INLINE float reduce_max(Vec a) { return vmaxvq_f32(a.v); }
#else
LEMORE_INLINE float reduce_min(Vec a) {
  const float32x2_t pairs = vpmin_f32(vget_low_f32(a.v), vget_high_f32(a.v));
  return vget_lane_f32(vpmin_f32(pairs, pairs), 0);
}
LEMORE_INLINE float reduce_max(Vec a) {
  const float32x2_t pairs = vpmax_f32(vget_low_f32(a.v), vget_high_f32(a.v));
  return vget_lane_f32(vpmax_f32(pairs, pairs), 0);
}
#endif

LEMORE_INLINE Int operator+(Int a, Int b) { return {vaddq_s32(a.v, b.v)}; }
LEMORE_INLINE Int operator-(Int a, Int b) { return {vsubq_s32(a.v, b.v)}; }
LEMORE_INLINE Int half(Int a) { return {vshrq_n_s32(a.v, 1)}; }
#if defined(__aarch64__)
LEMORE_INLINE Int to_int(Vec a) { return {vcvtnq_s32_f32(a.v)}; }
#else
// 1.5 * 2^23 leaves no bits below the point: the sum is rounded to nearest even, its low bits are the integer.
LEMORE_INLINE Int to_int(Vec a) {
  const float32x4_t shift = vdupq_n_f32(12582912.0f);
  return {vsubq_s32(vreinterpretq_s32_f32(vaddq_f32(a.v, shift)), vreinterpretq_s32_f32(shift))};
}
#endif
LEMORE_INLINE Vec to_float(Int a) { return {vcvtq_f32_s32(a.v)}; }
LEMORE_INLINE Vec pow2(Int n) { return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n.v, vdupq_n_s32(127)), 23))}; }
LEMORE_INLINE Vec low_bits_to_exponent(Vec v) {
  return {vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(v.v), 23))};
}
#if defined(__aarch64__)
LEMORE_INLINE int32_t reduce_min(Int a) { return vminvq_s32(a.v); }
#else
LEMORE_INLINE int32_t reduce_min(Int a) {
  const int32x2_t pairs = vpmin_s32(vget_low_s32(a.v), vget_high_s32(a.v));
  return vget_lane_s32(vpmin_s32(pairs, pairs), 0);
}
#endif

}  // namespace lemore::kernels::LEMORE_ISA_NAME
