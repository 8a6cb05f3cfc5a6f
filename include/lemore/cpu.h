#pragma once

#include <string_view>
#include <vector>

#include "lemore/export.h"
#include "lemore/status.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// The instruction sets that kernels are written for. `portable` is plain C++ for the compiler's baseline.
enum class Isa {
  portable,
  avx2,    ///< x86-64 with AVX2 and FMA
  avx512,  ///< x86-64 with AVX-512 F, BW, DQ and VL
  neon,    ///< 64-bit Arm, and 32-bit Arm with NEON and VFPv4
};

/// "portable", "avx2", "avx512" or "neon": what LEMORE_ISA and parse_isa take. Never null.
LEMORE_API const char* isa_name(Isa isa) noexcept;

/// The ISAs this library was built with, best first.
LEMORE_API std::vector<Isa> built_isas();

/// Those of them that this CPU and operating system can run, best first; portable is always one.
LEMORE_API std::vector<Isa> supported_isas();

/// The ISA with this name. unsupported when the name is unknown, or this build or this CPU lacks it; the message lists
/// the names that would do.
LEMORE_API Result<Isa> parse_isa(std::string_view name);

/// What LEMORE_ISA in the environment names, with the errors of parse_isa; without it (or when it is empty) the best
/// supported.
LEMORE_API Result<Isa> default_isa();

}  // namespace lemore

#include "lemore/pop_macros.h"
