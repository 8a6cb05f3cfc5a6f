#pragma once

// One vector of floats and the operations on it, the same on every ISA. The build compiles each kernel file once per
// ISA with LEMORE_ISA_NAME, the namespace of that ISA's code (portable, avx2, avx512, neon), and LEMORE_ISA_<NAME>,
// which chooses the header below that provides Vec.
//
// Everything here is `static` and always inlined, so that no object holds a weak copy that another ISA could be linked
// to. Kernels are freestanding: <stddef.h>, <stdint.h>, the intrinsics and their own headers, nothing else.
//
//   types       Vec (floats), Int (int32), Mask (a truth value a lane); Vec::lanes; k_registers vector registers.
//   memory      load(p), store(v, p): unaligned. load_n(p, n), store_n(v, p, n) touch n <= lanes values and nothing
//               else; load_n fills the rest with 0. load_u8, load_u8_n: bytes to floats. store_u8, store_u8_n: the low
//               byte of each lane of an Int.
//   make        zero(), set(float), set_int(int32), iota() = 0, 1, 2...
//   arithmetic  + - * / and unary -; abs; mul_add(a, b, c) = a * b + c and neg_mul_add(a, b, c) = c - a * b: one
//               rounding on avx2, avx512 and neon, two on portable, whose CPU may lack the instruction (a library call
//               for each lane would cost far more than it gives).
//   order       min(a, b) = a < b ? a : b and max(a, b) = a > b ? a : b, so NaN on either side gives b:
//               max(zero(), x) keeps a NaN of x, max(x, best) passes over it.
//   compare     < <= > >= == (false for NaN), is_nan; & | ~ of masks; select(mask, a, b) = mask ? a : b, for Vec and
//               Int; any(mask); mask_bits(mask): bit i is lane i.
//   reduce      reduce_add (lane i with lane i + lanes / 2, and so on), reduce_min, reduce_max (of lanes without NaN)
//   denormals   as IEEE 754 has them, but on neon of 32-bit Arm zero, of the same sign, going in and coming out.
//   integers    + - and reduce_min of Int; to_int (nearest, ties to even, |x| < 2^22; unspecified for NaN), to_float,
//               pow2(n) = 2^n for -126 <= n <= 127, half(n) = floor(n / 2); low_bits_to_exponent(v): the float whose sign
//               and exponent are the lowest 9 bits of v, and whose mantissa is 0.

#include <stddef.h>
#include <stdint.h>

#if !defined(LEMORE_ISA_NAME)
#error "kernel files are compiled by lemore_add_kernels (kernels/CMakeLists.txt), which sets LEMORE_ISA_NAME"
#endif

#define LEMORE_INLINE static inline __attribute__((always_inline))

#if defined(LEMORE_ISA_AVX512)
#include "kernels/simd/vec_avx512.h"
#elif defined(LEMORE_ISA_AVX2)
#include "kernels/simd/vec_avx2.h"
#elif defined(LEMORE_ISA_NEON)
#include "kernels/simd/vec_neon.h"
#elif defined(LEMORE_ISA_PORTABLE)
#include "kernels/simd/vec_portable.h"
#else
#error "define LEMORE_ISA_PORTABLE, LEMORE_ISA_AVX2, LEMORE_ISA_AVX512 or LEMORE_ISA_NEON"
#endif

namespace lemore::kernels::LEMORE_ISA_NAME {

/// The first n <= lanes values; all of them the quick way.
LEMORE_INLINE Vec load_up_to(const float* p, size_t n) { return n >= Vec::lanes ? load(p) : load_n(p, n); }

/// Stores the first min(n, lanes) values.
LEMORE_INLINE void store_up_to(Vec v, float* p, size_t n) {
  if (n >= Vec::lanes)
    store(v, p);
  else
    store_n(v, p, n);
}

}  // namespace lemore::kernels::LEMORE_ISA_NAME
