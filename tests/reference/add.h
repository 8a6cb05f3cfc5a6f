#pragma once

#include <cstddef>

#include "kernels/ops/add.h"

namespace lemore::reference {

/// Element i of the sum, exactly.
inline double add(const kernels::Add& args, std::size_t i) {
  return static_cast<double>(args.a[i]) + static_cast<double>(args.b[i]);
}

}  // namespace lemore::reference
