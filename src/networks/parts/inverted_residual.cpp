#include "networks/parts/inverted_residual.h"

namespace lemore::networks {

using graph::Activation;
using graph::Map;

Map inverted_residual(graph::Graph& g, const Name& name, const Map& x, std::size_t out_c, std::size_t stride,
                      const InvertedResidual& options) {
  const auto k = static_cast<std::size_t>(options.kernel);
  Map y = x;
  if (options.expansion != 1)
    y = g.pointwise(name("expand"), y, x.c * static_cast<std::size_t>(options.expansion), Activation::relu6);
  y = g.depthwise(name("depthwise"), y, {k, k, stride, 1, Activation::relu6});
  return g.pointwise(name("project"), y, out_c, Activation::none, graph::Graph::Bias::norm,
                     stride == 1 && x.c == out_c ? x : Map{});
}

}  // namespace lemore::networks
