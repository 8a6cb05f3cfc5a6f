#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/text.h"
#include "graph/network.h"

// SegFormer (Xie et al., NeurIPS 2021) with the MiT encoder, plain or with offset learning, and MiT's ImageNet
// classifiers. docs/networks/segformer.md says what is computed and which exact rewrites the weight file holds.
namespace lemore::networks {

using graph::Activation;
using graph::ConfigReader;
using graph::Graph;
using graph::Map;
using json::Field;

namespace {

using Bias = Graph::Bias;

constexpr std::size_t k_stages = 4;
using PerStage = std::array<int, k_stages>;

std::size_t size(int n) { return static_cast<std::size_t>(n); }

enum class Projection { conv_bn_relu, linear };
enum class Classifier { linear, offset_learning };

/// The defaults are B0 as MMSegmentation has it. tools/lemore_torch has the same fields.
struct Config {
  Size input{512, 512};
  int num_classes = 150;
  PerStage channels{32, 64, 160, 256}, depths{2, 2, 2, 2}, heads{1, 2, 5, 8}, reductions{8, 4, 2, 1};
  PerStage mlp_ratios{4, 4, 4, 4}, patch_sizes{7, 3, 3, 3}, strides{4, 2, 2, 2};
  float norm_eps = 1e-6f, patch_norm_eps = 1e-6f, reduction_norm_eps = 1e-6f;
  bool is_classifier = false;  ///< an ImageNet classifier in place of the head
  int head_channels = 256;
  int projection = 0, classifier = 0;  ///< as Projection, Classifier
};

/// The least side of an image whose map in every stage is as large as its reduction, and, for offset learning, as the
/// window of its pooling: 29 with the published strides.
int smallest_side(const Config& c) {
  int side = 1;  // of the map of the stage after, which has side (n - 1) / stride + 1
  for (std::size_t s = k_stages; s-- > 0;) {
    const bool is_pooled = s == 0 && c.classifier == static_cast<int>(Classifier::offset_learning);
    side = std::max({side, c.reductions[s], is_pooled ? 2 : 1});
    side = (side - 1) * c.strides[s] + 1;
  }
  return side;
}

class SegFormer final : public graph::Network {
 public:
  explicit SegFormer(Config config) : config_(std::move(config)) {}

  Size input_size() const noexcept override { return config_.input; }
  int min_side() const noexcept override { return smallest_side(config_); }
  void describe(Graph& g, Size size) const override;

 private:
  Map stage(Graph& g, std::size_t s, const Map& x) const;
  Map block(Graph& g, const Name& name, std::size_t s, const Map& t) const;
  Map head(Graph& g, const std::vector<Map>& features) const;
  Map offset_learning(Graph& g, const Name& name, const Map& x) const;

  Config config_;
};

void SegFormer::describe(Graph& g, Size input) const {
  Map x = g.image(size(input.height), size(input.width), 0);
  std::vector<Map> features;
  for (std::size_t s = 0; s < k_stages; ++s) features.push_back(x = stage(g, s, x));
  const std::size_t classes = size(config_.num_classes);
  if (config_.is_classifier) {
    const Map mean = g.global_mean("mean", x);
    return g.output(g.pointwise("classifier", mean, classes, Activation::none, Bias::trained),
                    graph::OutputKind::class_logits);
  }
  g.output(head(g, features), graph::OutputKind::pixel_logits);
}

/// Patch embedding, blocks and a norm: a stage of MiT.
Map SegFormer::stage(Graph& g, std::size_t s, const Map& x) const {
  const Config& c = config_;
  const Name name("backbone.layers", s), recorded("backbone.stages", s);
  const Name patch = name("0");
  const std::size_t kernel = size(c.patch_sizes[s]);
  Map t = g.conv(patch("projection"), x, size(c.channels[s]), kernel, size(c.strides[s]), kernel / 2);
  t = g.layer_norm(patch("norm"), t, c.patch_norm_eps, true);
  g.record(recorded("patch"), t);
  for (std::size_t j = 0; j < size(c.depths[s]); ++j) {
    t = block(g, name("1", j), s, t);
    if (j == 0) g.record(recorded("blocks", 0), t);
  }
  t = g.layer_norm(name("2"), t, c.norm_eps, true);
  g.record(recorded, t);
  return t;
}

/// Attention with keys and values from a reduced map, then the Mix-FFN; each added to its input. The norms' scales and
/// shifts, the scale of the scores and the biases of keys and values are folded into the layers around them.
Map SegFormer::block(Graph& g, const Name& name, std::size_t s, const Map& t) const {
  const Config& c = config_;
  const std::size_t channels = t.c, r = size(c.reductions[s]);
  const Name outer = name("attn"), attention = outer("attn"), ffn = name("ffn.layers");
  const Map y = g.layer_norm(name("norm1"), t, c.norm_eps, false);
  const Map q = g.pointwise(attention("q"), y, channels, Activation::none, Bias::trained);
  Map z = y;
  if (r > 1) z = g.layer_norm(outer("norm"), g.conv(outer("sr"), y, channels, r, r, 0), c.reduction_norm_eps, false);
  const Map kv = g.pointwise(attention("kv"), z, 2 * channels, Activation::none, Bias::none);
  g.count_parameters(2 * std::uint64_t{channels});  // their biases
  const Map mixed = g.attention(attention, q, kv, size(c.heads[s]));
  const Map x = g.pointwise(attention("out_proj"), mixed, channels, Activation::none, Bias::trained, t);

  const Map u = g.layer_norm(name("norm2"), x, c.norm_eps, false);
  Map hidden = g.pointwise(ffn("0"), u, channels * size(c.mlp_ratios[s]), Activation::none, Bias::trained);
  hidden = g.depthwise(ffn("1"), hidden, {3, 3, 1, 1, Activation::gelu, Bias::trained});
  return g.pointwise(ffn("4"), hidden, channels, Activation::none, Bias::trained, x);
}

/// The all-MLP head. Each stage's part of the fusion is applied at the stage's own size, where it costs least, and the
/// results are resized and added.
Map SegFormer::head(Graph& g, const std::vector<Map>& features) const {
  const Config& c = config_;
  const std::size_t channels = size(c.head_channels), first = features[0].pixels();
  const bool is_linear = c.projection == static_cast<int>(Projection::linear);
  const Name name("decode_head"), fusion = name("fusion_conv");
  const std::uint64_t block_parameters = std::uint64_t{channels} * channels;

  std::vector<Map> projected;
  for (std::size_t s = 0; s < features.size(); ++s) {
    if (is_linear) {  // one matrix with the fusion's
      projected.push_back(features[s]);
      g.count_parameters(block_parameters + channels);
      g.count_macs(block_parameters * first);
      g.merged(Name("head.project", s));
      continue;
    }
    const Name convs = name("convs", s);
    projected.push_back(g.pointwise(convs("conv"), features[s], channels, Activation::relu));
    g.record(Name("head.project", s), projected.back());
    g.count_macs(block_parameters * (first - features[s].pixels()));
  }
  std::vector<Map> parts;
  for (std::size_t s = 1; s < features.size(); ++s) {
    const std::string index = join({s});
    parts.push_back(g.pointwise(fusion(index.c_str()), projected[s], channels, Activation::none, Bias::none));
  }
  const Map sum = g.resize_sum("decode_head.resize", parts, features[0].h, features[0].w);
  const Map fused = g.pointwise_onto(fusion("0"), fusion, projected[0], sum, Activation::relu);
  g.record("head.fuse", fused);
  const Name classifier = name("conv_seg");
  if (c.classifier == static_cast<int>(Classifier::linear))
    return g.pointwise(classifier, fused, size(c.num_classes), Activation::none, Bias::trained);
  g.count_parameters(size(c.num_classes) * (std::uint64_t{channels} + 1));  // conv_seg, which is not used
  return offset_learning(g, name("offset_learning"), fused);
}

/// OffSeg's classifier: features and class vectors move towards each other.
Map SegFormer::offset_learning(Graph& g, const Name& name, const Map& x) const {
  const Map e = g.max_pool("head.pool", x, 2, 2);
  g.record("head.pool", e);
  const Map affinity = g.class_affinity(name, e, size(config_.num_classes));
  g.record("head.offset.affinity", affinity);
  const Map moved = g.class_offset(name, e, affinity);
  g.record("head.offset.classes", moved);
  const Map raw = g.offset_logits(name, e, affinity, moved);
  g.record("head.offset.raw", raw);
  // The plain form multiplies every pixel's offset with the projection and the class vectors.
  const std::uint64_t n = e.pixels(), k = affinity.c, c = e.c;
  g.count_macs(n * k * c + n * c * c - n * k * k - k * c * c - k * k * c);
  return g.layer_norm(name("mask_norm"), raw, 1e-5f, true);
}

void read_backbone(ConfigReader& r, const Field& config, Config& c) {
  const Field field = config.member("backbone");
  if (!field.value) return;
  if (!r.object(field, {"type", "channels", "depths", "heads", "reductions", "mlp_ratios", "patch_sizes", "strides",
                        "norm_eps", "patch_norm_eps", "reduction_norm_eps"}))
    return;
  int type = 0;
  r.choice(field, "type", {"mit"}, type);
  const auto four = [&](const char* key, int high, PerStage& values) {
    r.integers(field, key, k_stages, 1, high, values.data());
  };
  four("channels", r.k_max_channels, c.channels);
  four("depths", r.k_max_layers, c.depths);
  four("heads", r.k_max_layers, c.heads);
  four("reductions", 64, c.reductions);
  four("mlp_ratios", 64, c.mlp_ratios);
  four("patch_sizes", 63, c.patch_sizes);
  four("strides", 64, c.strides);
  r.number(field, "norm_eps", 1e-12, 1, c.norm_eps);
  r.number(field, "patch_norm_eps", 1e-12, 1, c.patch_norm_eps);
  r.number(field, "reduction_norm_eps", 1e-12, 1, c.reduction_norm_eps);
  if (!r.ok()) return;
  for (std::size_t s = 0; s < k_stages; ++s) {
    const auto item = [&](const char* key) { return join({key, "[", s, "]"}); };
    const std::string channels = item("channels"), patch = item("patch_sizes"), wide = item("channels x mlp_ratios");
    if (c.channels[s] % c.heads[s] != 0)
      r.fail(field.part(channels), {"a multiple of heads (", c.heads[s], ")"}, join({c.channels[s]}));
    if (c.patch_sizes[s] % 2 == 0) r.fail(field.part(patch), {"an odd number"}, join({c.patch_sizes[s]}));
    r.at_most(field, wide.c_str(), std::int64_t{c.channels[s]} * c.mlp_ratios[s], r.k_max_wide_channels);
  }
}

void read_head(ConfigReader& r, const Field& config, Config& c) {
  const Field field = config.member("head");
  if (!field.value) return;
  int type = 0;
  r.choice(field, "type", {"segformer", "classifier"}, type);
  c.is_classifier = type == 1;
  if (c.is_classifier) {
    r.object(field, {"type"});
    return;
  }
  r.object(field, {"type", "channels", "projection", "classifier"});
  r.integer(field, "channels", 1, r.k_max_channels, c.head_channels);
  r.choice(field, "projection", {"conv_bn_relu", "linear"}, c.projection);
  r.choice(field, "classifier", {"linear", "offset_learning"}, c.classifier);
}

}  // namespace

std::unique_ptr<graph::Network> parse_segformer(ConfigReader& r, const Field& config) {
  Config c;
  r.object(config, {"input_size", "num_classes", "backbone", "head"});
  read_head(r, config, c);
  // A label map has 8 bits a pixel.
  r.integer(config, "num_classes", 1, c.is_classifier ? 65536 : 256, c.num_classes);
  read_backbone(r, config, c);
  r.input_size(config, smallest_side(c), c.input);
  return std::make_unique<SegFormer>(c);
}

}  // namespace lemore::networks
