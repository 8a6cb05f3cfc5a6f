#include "plan/lower.h"

#include "plan/steps/steps.h"

namespace lemore::plan {

Lowering::Lowering(const graph::Graph& graph, const std::vector<const float*>& weights, const Options& options)
    : plan(options), graph_(graph), weights_(weights), values_(graph.map_count()) {}

Value Lowering::at(const graph::Map& map) {
  if (!map) return {};
  const graph::Placement& place = graph_.placement(map);
  Value& base = values_[static_cast<std::size_t>(place.base)];
  if (!base) {
    const graph::Map& whole = graph_.base(map);
    base = plan.value(whole.h, whole.w, whole.c);
  }
  Value value = base;
  value.h = map.h;
  value.w = map.w;
  value.c = map.c;
  value.stride = place.stride;
  value.offset = place.offset;
  return value;
}

const float* Lowering::weight(int index) const {
  return index < 0 ? nullptr : weights_[static_cast<std::size_t>(index)];
}

void Lowering::lower(const Group& group) {
  const graph::Node* nodes = &graph_.nodes()[group.first];
  switch (group.pattern) {
    case Pattern::single:
      return std::visit([&](const auto& op) { steps::lower(*this, *nodes, op); }, nodes->op);
    case Pattern::inverted_residual:
      return steps::inverted_residual(*this, nullptr, nodes);
    case Pattern::stem_residual:
      return steps::inverted_residual(*this, nodes, nodes + 1);
    case Pattern::cartesian:
      return steps::cartesian(*this, nodes);
    case Pattern::fusion_head:
      return steps::fusion_head(*this, nodes, group.count);
#if !LEMORE_WITHOUT_TRANSFORMERS
    case Pattern::resized_sum:
      return steps::resized_sum(*this, nodes, group.count);
#endif
  }
}

void Lowering::lower_all() {
  at(graph_.image());  // its value comes first
  auto record = graph_.records().begin();
  for (const Group& group : fuse(graph_, plan.options())) {
    lower(group);
    const std::size_t last = group.first + group.count - 1;
    // What is recorded within a group is never there as a whole.
    for (; record != graph_.records().end() && record->node <= last; ++record)
      if (record->node == last) plan.record(record->name, at(record->map));
  }
}

}  // namespace lemore::plan
