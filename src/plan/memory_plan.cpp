#include "plan/memory_plan.h"

#include <algorithm>
#include <cstddef>

#include "lemore/tensor.h"

namespace lemore::plan {

namespace {

constexpr std::uint64_t align_up(std::uint64_t n) { return (n + k_alignment - 1) / k_alignment * k_alignment; }

}  // namespace

MemoryPlan plan_memory(const std::vector<LiveRange>& ranges) {
  std::vector<std::size_t> order;  // the largest first, equal ones as they come
  for (std::size_t i = 0; i < ranges.size(); ++i)
    order.insert(std::upper_bound(order.begin(), order.end(), ranges[i].bytes,
                                  [&](std::uint64_t bytes, std::size_t at) { return bytes > ranges[at].bytes; }),
                 i);

  MemoryPlan plan;
  plan.offsets.assign(ranges.size(), 0);
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t i : order) {
    const LiveRange& range = ranges[i];
    const std::uint64_t bytes = align_up(range.bytes);
    std::uint64_t offset = 0;
    for (const std::size_t p : placed) {
      if (ranges[p].last < range.first || range.last < ranges[p].first) continue;
      if (offset + bytes <= plan.offsets[p]) break;  // fits before it, and every later one lies behind
      offset = std::max(offset, plan.offsets[p] + align_up(ranges[p].bytes));
    }
    plan.offsets[i] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](std::uint64_t o, std::size_t p) { return o < plan.offsets[p]; }),
                  i);
  }
  return plan;
}

}  // namespace lemore::plan
