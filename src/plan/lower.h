#pragma once

#include <cstddef>
#include <vector>

#include "graph/graph.h"
#include "plan/fuse.h"
#include "plan/plan.h"

namespace lemore::plan {

/// A graph on its way to steps: gives maps their values when they are first needed, so that a map that is never stored
/// has none, and weights their elements.
class Lowering {
 public:
  /// `weights` are the elements of graph.weights(), in that order.
  Lowering(const graph::Graph& graph, const std::vector<const float*>& weights, const Options& options);

  Builder plan;

  /// Appends the steps of the whole graph, fused where that pays.
  void lower_all();

  /// The value of a map; an absent one for an absent map.
  Value at(const graph::Map& map);
  /// A weight's elements, or null for index -1.
  const float* weight(int index) const;

 private:
  void lower(const Group& group);

  const graph::Graph& graph_;
  const std::vector<const float*>& weights_;
  std::vector<Value> values_;  ///< by base map
};

}  // namespace lemore::plan
