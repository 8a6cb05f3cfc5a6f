#pragma once

#include <stddef.h>

namespace lemore::kernels {

#define LEMORE_KERNEL(file, type, name, Arguments) struct Arguments;
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL

/// Every kernel of one instruction set, as kernels.inc lists them. The only thing an ISA's objects export. The
/// arguments of a kernel are defined in its contract, kernels/ops/FILE.h.
struct KernelTable {
  const char* isa;
  size_t lanes;  ///< floats per vector
#define LEMORE_KERNEL(file, type, name, Arguments) void (*name)(const Arguments&);
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL
};

// Defined where the build has them (LEMORE_HAVE_<ISA>).
extern const KernelTable table_portable;
extern const KernelTable table_avx2;
extern const KernelTable table_avx512;
extern const KernelTable table_neon;

}  // namespace lemore::kernels
