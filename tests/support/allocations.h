#pragma once

#include <cstddef>

namespace lemore::test {

/// Calls of malloc, calloc, realloc and the aligned variants by any thread of this process so far.
std::size_t allocations();
/// The bytes they asked for, together.
std::size_t allocated_bytes();

/// False under the sanitizers, which bring their own allocator.
bool allocations_are_counted();

}  // namespace lemore::test
