#pragma once

// Four floats in a GNU vector type: SSE2 on any x86-64, NEON on any aarch64, plain registers elsewhere.

#include <stddef.h>
#include <stdint.h>

/// For what is many instructions and rarely runs; `static` as everything here.
#define LEMORE_OUT_OF_LINE static __attribute__((noinline, unused))

namespace lemore::kernels::LEMORE_ISA_NAME {

constexpr size_t k_registers = 16;

typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));
typedef uint32_t UInt4 __attribute__((vector_size(16)));

struct Vec {
  static constexpr size_t lanes = 4;
  Float4 v;
};
struct Int {
  static constexpr size_t lanes = 4;
  Int4 v;
};
struct Mask {
  Int4 v;  ///< 0 or -1
};

LEMORE_INLINE Vec load(const float* p) {
  Vec r;
  __builtin_memcpy(&r.v, p, sizeof(r.v));
  return r;
}
LEMORE_OUT_OF_LINE Vec load_n(const float* p, size_t n) {
  Vec r{};
  for (size_t i = 0; i < Vec::lanes; ++i)
    if (i < n) r.v[i] = p[i];
  return r;
}
LEMORE_INLINE void store(Vec v, float* p) { __builtin_memcpy(p, &v.v, sizeof(v.v)); }
LEMORE_OUT_OF_LINE void store_n(Vec v, float* p, size_t n) {
  for (size_t i = 0; i < Vec::lanes; ++i)
    if (i < n) p[i] = v.v[i];
}
LEMORE_INLINE Vec load_u8_n(const uint8_t* p, size_t n) {
  Vec r{};
  for (size_t i = 0; i < Vec::lanes; ++i)
    if (i < n) r.v[i] = static_cast<float>(p[i]);
  return r;
}
LEMORE_INLINE Vec load_u8(const uint8_t* p) { return load_u8_n(p, Vec::lanes); }
LEMORE_INLINE void store_u8_n(Int v, uint8_t* p, size_t n) {
  for (size_t i = 0; i < Vec::lanes; ++i)
    if (i < n) p[i] = static_cast<uint8_t>(v.v[i]);
}
LEMORE_INLINE void store_u8(Int v, uint8_t* p) { store_u8_n(v, p, Vec::lanes); }

LEMORE_INLINE Vec zero() { return {Float4{0, 0, 0, 0}}; }
LEMORE_INLINE Vec set(float x) { return {Float4{x, x, x, x}}; }
LEMORE_INLINE Int set_int(int32_t x) { return {Int4{x, x, x, x}}; }
LEMORE_INLINE Int iota() { return {Int4{0, 1, 2, 3}}; }

LEMORE_INLINE Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
LEMORE_INLINE Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
LEMORE_INLINE Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
LEMORE_INLINE Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
LEMORE_INLINE Vec operator-(Vec a) { return {-a.v}; }
LEMORE_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
LEMORE_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return {c.v - a.v * b.v}; }

LEMORE_INLINE Mask operator<(Vec a, Vec b) { return {a.v < b.v}; }
LEMORE_INLINE Mask operator<=(Vec a, Vec b) { return {a.v <= b.v}; }
LEMORE_INLINE Mask operator>(Vec a, Vec b) { return {a.v > b.v}; }
LEMORE_INLINE Mask operator>=(Vec a, Vec b) { return {a.v >= b.v}; }
LEMORE_INLINE Mask operator==(Vec a, Vec b) { return {a.v == b.v}; }
LEMORE_INLINE Mask is_nan(Vec a) { return {a.v != a.v}; }
LEMORE_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
LEMORE_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
LEMORE_INLINE Mask operator~(Mask a) { return {~a.v}; }
LEMORE_INLINE Int select(Mask m, Int a, Int b) { return {(m.v & a.v) | (~m.v & b.v)}; }
LEMORE_INLINE Vec select(Mask m, Vec a, Vec b) {
  return {(Float4)((m.v & (Int4)a.v) | (~m.v & (Int4)b.v))};  // the cast keeps the bits
}
LEMORE_INLINE unsigned mask_bits(Mask m) { return (m.v[0] & 1u) | (m.v[1] & 2u) | (m.v[2] & 4u) | (m.v[3] & 8u); }
LEMORE_INLINE bool any(Mask m) { return mask_bits(m) != 0; }

LEMORE_INLINE Vec min(Vec a, Vec b) { return select(a < b, a, b); }
LEMORE_INLINE Vec max(Vec a, Vec b) { return select(a > b, a, b); }
LEMORE_INLINE Vec abs(Vec a) { return {(Float4)((Int4)a.v & 0x7fffffff)}; }

LEMORE_INLINE float reduce_add(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
LEMORE_INLINE float reduce_min(Vec a) {
  const float x = a.v[0] < a.v[2] ? a.v[0] : a.v[2], y = a.v[1] < a.v[3] ? a.v[1] : a.v[3];
  return x < y ? x : y;
}
LEMORE_INLINE float reduce_max(Vec a) {
  const float x = a.v[0] > a.v[2] ? a.v[0] : a.v[2], y = a.v[1] > a.v[3] ? a.v[1] : a.v[3];
  return x > y ? x : y;
}

// Unsigned, so that overflow (of what to_int makes from a NaN) wraps.
LEMORE_INLINE Int operator+(Int a, Int b) { return {(Int4)((UInt4)a.v + (UInt4)b.v)}; }
LEMORE_INLINE Int operator-(Int a, Int b) { return {(Int4)((UInt4)a.v - (UInt4)b.v)}; }
LEMORE_INLINE Int half(Int a) { return {a.v >> 1}; }
LEMORE_INLINE Int to_int(Vec a) {
  // Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the mantissa.
  const Float4 magic = {12582912.0f, 12582912.0f, 12582912.0f, 12582912.0f};
  return {(Int4)((UInt4)(a.v + magic) - (UInt4)magic)};
}
LEMORE_INLINE Vec to_float(Int a) { return {__builtin_convertvector(a.v, Float4)}; }
LEMORE_INLINE Vec pow2(Int n) { return {(Float4)(((UInt4)n.v + 127u) << 23)}; }
LEMORE_INLINE Vec low_bits_to_exponent(Vec v) { return {(Float4)((UInt4)v.v << 23)}; }
LEMORE_INLINE int32_t reduce_min(Int a) {
  const int32_t x = a.v[0] < a.v[2] ? a.v[0] : a.v[2], y = a.v[1] < a.v[3] ? a.v[1] : a.v[3];
  return x < y ? x : y;
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
