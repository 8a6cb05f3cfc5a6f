#pragma once

#include <memory>
#include <string_view>

#include "graph/config_reader.h"
#include "graph/graph.h"
#include "lemore/image.h"
#include "lemore/status.h"

namespace lemore::graph {

/// A network with its configuration. Immutable.
class Network {
 public:
  virtual ~Network() = default;

  /// Height and width the network was trained for.
  virtual Size input_size() const noexcept = 0;
  /// The smallest height and width that it can be described for.
  virtual int min_side() const noexcept = 0;
  /// Describes the network for an input of `size` in an empty graph, ending with Graph::output. The weights are the same
  /// for every size. Errors are the graph's status: invalid_shape where a map would be too large or an input too small,
  /// invalid_file for weights beyond Graph::k_max_weight_bytes.
  virtual void describe(Graph& graph, Size size) const = 0;
};

/// A kind of network that this build has.
struct Architecture {
  const char* name;  ///< as weight files have it, for instance "lemore"
  /// Reads a configuration; mistakes are kept in the reader, and what is returned then is not used.
  std::unique_ptr<Network> (*parse)(ConfigReader& reader, const json::Field& config);
};

/// The architecture called `name`, or null when this build has none.
const Architecture* find_architecture(std::string_view name) noexcept;
/// Their names, in quotes, for a message: "'lemore' or 'segformer'".
std::string architecture_names();

/// The network that a configuration describes. Errors    invalid_file; messages begin with `file` and name the field.
Result<std::unique_ptr<Network>> read_network(const Architecture& architecture, std::string_view config_json,
                                              const std::string& file);

}  // namespace lemore::graph
