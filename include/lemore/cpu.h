#pragma once

#include <string_view>
#include <vector>

#include "lemore/export.h"
#include "lemore/status.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// The instruction sets (ISAs) that kernels exist for. `portable` is plain C++ for the compiler's baseline.
enum class Isa {
  portable,
  avx2,    ///< x86-64 with AVX2 and FMA
  avx512,  ///< x86-64 with AVX-512 F, BW, DQ and VL
  neon,    ///< 64-bit Arm, and 32-bit Arm with NEON and VFPv4
};

/// The name of an ISA as LEMORE_ISA and parse_isa take it: "portable", "avx2", "avx512" or "neon". Never null.
LEMORE_API const char* isa_name(Isa isa) noexcept;

/// The ISAs this library was built with, best first.
LEMORE_API std::vector<Isa> built_isas();

/// The built ISAs that this CPU and operating system can run, best first. `portable` is always among them.
LEMORE_API std::vector<Isa> supported_isas();

/// The ISA with this name.
/// Errors    unsupported if the name is unknown, or if this build or this CPU lacks the ISA; the message lists the
///           names that can be used.
LEMORE_API Result<Isa> parse_isa(std::string_view name);

/// The ISA that the environment variable LEMORE_ISA names, or the best supported one if it is not set or empty.
/// Errors    as parse_isa.
LEMORE_API Result<Isa> default_isa();

}  // namespace lemore

#include "lemore/pop_macros.h"
