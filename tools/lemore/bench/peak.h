#pragma once

#include <cstddef>

#include "lemore/cpu.h"

namespace lemore::cli {

/// Floating-point operations a second of `threads` cores at once (one thread each): independent chains of fused
/// multiply-adds in registers, two operations each, as wide as the ISA's vectors; where the ISA has no fused
/// multiply-add (portable on x86-64), a multiplication and an addition. The best millisecond of each thread in about
/// 1/20 s. No program of that ISA is faster; other programs on the same cores lower it. Requires an ISA that
/// this CPU has, threads >= 1.
double peak_flops(Isa isa, int threads);

/// Bytes a second that one core reads with the ISA's vectors from a buffer of `bytes`, again and again: of the cache it
/// fits in, or of memory. The best pass in about 1/20 s. 0 when there is no memory for the buffer. Requires the same.
double read_bytes_per_second(Isa isa, std::size_t bytes);

}  // namespace lemore::cli
