#pragma once

/// Before a loop with few, constant iterations whose array of Vec must live in registers.
#if defined(__clang__)
#define LEMORE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LEMORE_UNROLL _Pragma("GCC unroll 32")
#endif
