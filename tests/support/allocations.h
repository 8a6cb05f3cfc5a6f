#pragma once

#include <cstddef>

namespace lemore::test {

/// Calls of malloc, calloc, realloc and the aligned variants by any thread of this process so far.
std::size_t allocations();
/// The bytes they asked for, together.
std::size_t allocated_bytes();

/// Blocks allocated and not freed by now, and their bytes.
std::ptrdiff_t live_allocations();
std::ptrdiff_t live_bytes();

/// Makes the n-th allocation from now (0: the next) fail, once.
void fail_allocation(std::size_t n);
/// No allocation fails any more; whether one has since fail_allocation.
bool allocation_failed();

/// False under the sanitizers, which bring their own allocator.
bool allocations_are_counted();

}  // namespace lemore::test
