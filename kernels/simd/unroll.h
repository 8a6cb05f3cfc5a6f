#pragma once

/// Before a loop with few, constant iterations whose array of Vec must live in registers.
#if defined(__clang__)
#define LEMORE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LEMORE_UNROLL _Pragma("GCC unroll 32")
#endif

namespace lemore::kernels {

/// Built for size (-Os): ways that are only faster are left out.
#ifdef __OPTIMIZE_SIZE__
constexpr bool k_small_code = true;
#else
constexpr bool k_small_code = false;
#endif

}  // namespace lemore::kernels
