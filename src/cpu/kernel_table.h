#pragma once

#include "kernels/table.h"
#include "lemore/cpu.h"

namespace lemore {

/// The kernels of an ISA. Requires that it is one of supported_isas(), as everything that parse_isa and default_isa
/// give is.
const kernels::KernelTable& kernel_table(Isa isa);

}  // namespace lemore
