#include <cstddef>
#include <memory>

#include "graph/network.h"
#include "networks/parts/inverted_residual.h"

// A network of ten layers, which shows how one is added (CONTRIBUTING.md): an entry, two inverted residuals, one lateral
// layer for each, and their sum at 1/4 of the image.
namespace lemore::networks {

using graph::Activation;
using graph::ConfigReader;
using graph::Graph;
using graph::Map;
using json::Field;

namespace {

std::size_t size(int n) { return static_cast<std::size_t>(n); }

/// The entry and two blocks halve the image three times.
constexpr int k_min_side = 8;

struct Config {
  Size input{64, 64};
  int num_classes = 3;
  int channels = 8, head_channels = 16;
};

class Tiny final : public graph::Network {
 public:
  explicit Tiny(const Config& config) : config_(config) {}

  Size input_size() const noexcept override { return config_.input; }
  int min_side() const noexcept override { return k_min_side; }
  void describe(Graph& g, Size input) const override;

 private:
  Config config_;
};

void Tiny::describe(Graph& g, Size input) const {
  const std::size_t channels = size(config_.channels), head = size(config_.head_channels);
  const Map image = g.image(size(input.height), size(input.width), 1);  // in a border of zeros
  Map x = g.conv3x3s2("entry", image, channels);                        // weights "entry.weight", "entry.bias"
  g.record("entry", x);
  const Map fine = x = inverted_residual(g, Name("blocks", 0), x, 2 * channels, 2, {2, 3});
  g.record(Name("blocks", 0), x);
  const Map coarse = x = inverted_residual(g, Name("blocks", 1), x, 3 * channels, 2, {2, 3});
  g.record(Name("blocks", 1), x);
  const Map lateral = g.pointwise(Name("lateral", 0), fine, head);
  const Map top = g.pointwise(Name("lateral", 1), coarse, head);
  const Map sum = g.resize_sum("sum", {lateral, top}, fine.h, fine.w);
  g.record("sum", sum);
  g.output(g.pointwise("classifier", sum, size(config_.num_classes), Activation::none, Graph::Bias::trained),
           graph::OutputKind::pixel_logits);
}

}  // namespace

std::unique_ptr<graph::Network> parse_tiny(ConfigReader& r, const Field& config) {
  Config c;
  r.object(config, {"input_size", "num_classes", "channels", "head_channels"});
  r.input_size(config, k_min_side, c.input);
  r.integer(config, "num_classes", 1, 256, c.num_classes);  // a label map has 8 bits a pixel
  r.integer(config, "channels", 1, r.k_max_channels, c.channels);
  r.integer(config, "head_channels", 1, r.k_max_channels, c.head_channels);
  return std::make_unique<Tiny>(c);
}

}  // namespace lemore::networks
