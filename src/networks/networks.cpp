#include "core/text.h"
#include "graph/network.h"

namespace lemore {

namespace networks {

#define LEMORE_NETWORK(name) \
  std::unique_ptr<graph::Network> parse_##name(graph::ConfigReader& reader, const json::Field& config);
#include "networks/built.inc"
#undef LEMORE_NETWORK

}  // namespace networks

namespace graph {

namespace {

constexpr Architecture k_architectures[] = {
#define LEMORE_NETWORK(name) {#name, networks::parse_##name},
#include "networks/built.inc"
#undef LEMORE_NETWORK
};

}  // namespace

const Architecture* find_architecture(std::string_view name) noexcept {
  for (const Architecture& a : k_architectures)
    if (name == a.name) return &a;
  return nullptr;
}

std::string architecture_names() {
  std::string names;
  for (const Architecture& a : k_architectures) names += (names.empty() ? "'" : " or '") + std::string(a.name) + "'";
  return names;
}

Result<std::unique_ptr<Network>> read_network(const Architecture& architecture, std::string_view config_json,
                                              const std::string& file) {
  const Result<json::Document> document = json::Document::parse(config_json);
  if (!document.ok()) return make_error(document.status(), {file, ": config"});
  ConfigReader reader(file);
  auto network = architecture.parse(reader, {document->root(), "config"});
  if (!reader.ok()) return reader.status();
  return network;
}

}  // namespace graph
}  // namespace lemore
