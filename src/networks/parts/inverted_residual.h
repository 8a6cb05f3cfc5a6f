#pragma once

#include <cstddef>

#include "graph/graph.h"

namespace lemore::networks {

/// MobileNetV2's block: expand (relu6), depthwise (relu6), project; plus the input where the stride is 1 and the
/// channels match. An expansion of 1 leaves the first layer out.
struct InvertedResidual {
  int expansion = 6, kernel = 3;
};
graph::Map inverted_residual(graph::Graph& g, const Name& name, const graph::Map& x, std::size_t out_c,
                             std::size_t stride, const InvertedResidual& options);

}  // namespace lemore::networks
