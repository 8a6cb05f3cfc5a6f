#pragma once

#include "kernels/table.h"
#include "lemore/cpu.h"

namespace lemore {

/// Errors    unsupported if this build or this CPU lacks the ISA; the message lists those that can be used.
Status check_isa(Isa isa);

/// The kernels of an ISA. Requires that it passes check_isa, as everything that parse_isa and default_isa give does.
const kernels::KernelTable& kernel_table(Isa isa);

}  // namespace lemore
