#pragma once

#include <cstdint>
#include <vector>

namespace lemore::plan {

/// A stretch of memory that must hold its bytes from step `first` to step `last`, both included.
struct LiveRange {
  std::uint64_t bytes = 0;
  int first = 0, last = 0;
};

/// Offsets for `ranges` in one arena, each a multiple of k_alignment, such that two ranges alive at the same step never
/// overlap.
struct MemoryPlan {
  std::vector<std::uint64_t> offsets;
  std::uint64_t arena_bytes = 0;
};

/// Greedy by size: the largest first, each at the lowest offset that is free over its whole life.
MemoryPlan plan_memory(const std::vector<LiveRange>& ranges);

}  // namespace lemore::plan
