#include "plan/fuse.h"

#include <algorithm>

namespace lemore::plan {

using graph::Map;
using graph::Node;

namespace {

// Smaller expanded maps stay in a second-level cache without strips.
constexpr std::size_t k_worth_bytes = 640 << 10;

bool worth_strips(const Map& expanded) { return expanded.pixels() * expanded.c * sizeof(float) > k_worth_bytes; }

/// Finds groups from the first node to the last.
class Fuser {
 public:
  Fuser(const graph::Graph& graph, const Options& options)
      : graph_(graph), nodes_(graph.nodes()), options_(options), uses_(graph.map_count()), recorded_(nodes_.size()) {
    for (const Node& node : nodes_)
      for (const Map& input : node.inputs)
        if (input) ++uses_[base(input)];
    for (const graph::Record& record : graph.records()) recorded_[record.node] = true;
  }

  Group next(std::size_t first) const {
    if (!options_.fuse) return {Pattern::single, first, 1};
    if (is<graph::Conv3x3s2>(first) && is_inverted_residual(first + 1) && closed(first, 4))
      return {Pattern::stem_residual, first, 4};
    if (is_inverted_residual(first) && closed(first, 3)) return {Pattern::inverted_residual, first, 3};
    if (is_cartesian(first) && closed(first, 5)) return {Pattern::cartesian, first, 5};
    if (const std::size_t count = fusion_head(first); count > 0 && closed(first, count))
      return {Pattern::fusion_head, first, count};
#if !LEMORE_WITHOUT_TRANSFORMERS
    if (const std::size_t count = resized_sum(first); count > 0) return {Pattern::resized_sum, first, count};
#endif
    return {Pattern::single, first, 1};
  }

 private:
  template <typename Op>
  const Op* is(std::size_t i) const {
    return i < nodes_.size() ? nodes_[i].as<Op>() : nullptr;
  }

  std::size_t base(const Map& map) const { return static_cast<std::size_t>(graph_.placement(map).base); }

  bool dense(const Map& map) const { return graph_.placement(map).stride == map.c; }

  /// Whether node i + 1 reads what node i computes as its first input.
  bool chained(std::size_t i) const { return nodes_[i + 1].inputs.front().id == nodes_[i].output.id; }

  /// Whether nobody outside needs what the nodes but the last one compute.
  bool closed(std::size_t first, std::size_t count) const {
    for (std::size_t i = first; i + 1 < first + count; ++i)
      if (uses_[base(nodes_[i].output)] != 1 || (options_.keep_records && recorded_[i])) return false;
    return true;
  }

  bool is_inverted_residual(std::size_t i) const {
    const auto* expand = is<graph::Pointwise>(i);
    const auto* depthwise = is<graph::Depthwise>(i + 1);
    const auto* project = is<graph::Pointwise>(i + 2);
    return expand != nullptr && depthwise != nullptr && project != nullptr && chained(i) && chained(i + 1) &&
           dense(nodes_[i].inputs[0]) && !nodes_[i].inputs[1] && nodes_[i].inputs.size() == 2 && expand->bias >= 0 &&
           project->bias >= 0 && depthwise->kh == depthwise->kw && depthwise->dilation == 1 &&
           worth_strips(nodes_[i].output);
  }

  bool is_cartesian(std::size_t i) const {
    if (is<graph::AxisProjections>(i) == nullptr) return false;
    for (std::size_t k = 0; k < 4; ++k) {  // 3x1, 1x3 with relu6, and the same dilated
      const auto* axial = is<graph::Depthwise>(i + k + 1);
      const bool down = k % 2 == 0;
      if (axial == nullptr || !chained(i + k) || axial->stride != 1 || (k < 2 && axial->dilation != 1)) return false;
      if (axial->kh != (down ? 3u : 1u) || axial->kw != (down ? 1u : 3u)) return false;
      if (axial->activation != (down ? graph::Activation::none : graph::Activation::relu6)) return false;
    }
    // Shares compute the rows around their borders twice: at most a quarter more.
    const std::size_t dilation = is<graph::Depthwise>(i + 3)->dilation;
    return nodes_[i].output.h / static_cast<std::size_t>(options_.workers) >= 8 * (dilation + 1);
  }

  /// Nodes of the head that begins here: a pointwise layer and a gated fusion for each scale, the sum, two layers.
  std::size_t fusion_head(std::size_t i) const {
    std::size_t scales = 0;
    while (is<graph::Pointwise>(i + 2 * scales) != nullptr && is<graph::GatedFusion>(i + 2 * scales + 1) != nullptr)
      ++scales;
    const std::size_t sum = i + 2 * scales;
    const bool has_head = scales > 0 && scales <= k_max_head_scales && is<graph::ResizeSum>(sum) != nullptr &&
                          nodes_[sum].inputs.size() == scales && is<graph::Pointwise>(sum + 1) != nullptr &&
                          is<graph::Pointwise>(sum + 2) != nullptr && chained(sum) && chained(sum + 1);
    return has_head ? 2 * scales + 3 : 0;
  }

#if !LEMORE_WITHOUT_TRANSFORMERS
  /// Nodes that begin with a sum here: the sum, a layer onto it, and perhaps a layer after that.
  std::size_t resized_sum(std::size_t i) const {
    const auto* sum = is<graph::ResizeSum>(i);
    const auto* onto = is<graph::Pointwise>(i + 1);
    if (sum == nullptr || onto == nullptr || nodes_[i].inputs.size() > k_max_head_scales ||
        nodes_[i + 1].inputs.size() < 3 || nodes_[i + 1].inputs[2].id != nodes_[i].output.id ||
        !worth_strips(nodes_[i].output))
      return 0;
    // The layer onto the sum is where the sum is: both of its readers count.
    const auto kept = [&](std::size_t node) { return options_.keep_records && recorded_[node]; };
    if (kept(i)) return 0;
    const bool has_classifier = is<graph::Pointwise>(i + 2) != nullptr && chained(i + 1) &&
                                nodes_[i + 2].inputs.size() == 2 && !nodes_[i + 2].inputs[1] &&
                                uses_[base(nodes_[i].output)] == 2 && !kept(i + 1);
    return has_classifier ? 3 : 2;
  }
#endif

  const graph::Graph& graph_;
  const std::vector<Node>& nodes_;
  const Options& options_;
  std::vector<int> uses_;       ///< by base map: how often nodes read from it
  std::vector<bool> recorded_;  ///< by node
};

}  // namespace

std::vector<Group> fuse(const graph::Graph& graph, const Options& options) {
  const Fuser fuser(graph, options);
  std::vector<Group> groups;
  for (std::size_t i = 0; i < graph.nodes().size(); i += groups.back().count) groups.push_back(fuser.next(i));
  return groups;
}

}  // namespace lemore::plan
