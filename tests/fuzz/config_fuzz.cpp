// Configurations, and the strict JSON below them.
#include <string>
#include <string_view>

#include "fuzz.h"
#include "graph/network.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto network = lemore::graph::read_network(*lemore::graph::find_architecture("lemore"), text, "fuzz");
  lemore::graph::Graph graph;
  if (network.ok()) (*network)->describe(graph, (*network)->input_size());
  const lemore::Status& status = network.ok() ? graph.status() : network.status();
  if (status.ok()) {
    require(graph.output().c >= 1 && graph.image().h >= 1 && graph.image().w >= 1 && !graph.weights().empty());
  } else {
    require(status.message().find('\n') == std::string::npos);
  }
  return 0;
}
