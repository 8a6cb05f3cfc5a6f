#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "plan/plan.h"

namespace lemore::plan {

/// What nodes that are computed together have in common.
enum class Pattern : std::uint8_t {
  single,             ///< one node
  inverted_residual,  ///< pointwise, depthwise, pointwise: MobileNet's block, and every MLP with a convolution in it
  stem_residual,      ///< conv3x3s2, then the same
  cartesian,          ///< axis projections, then four depthwise convolutions along the axes
#if !LEMORE_WITHOUT_TRANSFORMERS
  resized_sum,  ///< maps resized and added up, a pointwise layer onto the sum, and a second one if it follows
#endif
  fusion_head  ///< gated fusion of every scale, their sum, two pointwise layers
};

/// Most scales that a fusion head may have.
inline constexpr std::size_t k_max_head_scales = 8;

/// Consecutive nodes that become one step (or few): the maps between them are never stored as a whole.
struct Group {
  Pattern pattern = Pattern::single;
  std::size_t first = 0, count = 1;
};

/// Cuts a graph into groups. Layers are put together where that is faster and no record is lost by it; the result has
/// the same bits either way. The only place that knows what is worth fusing.
std::vector<Group> fuse(const graph::Graph& graph, const Options& options);

}  // namespace lemore::plan
