#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "core/text.h"
#include "graph/network.h"
#include "networks/parts/inverted_residual.h"

// LeMoRe: "Learn More Details for Lightweight Semantic Segmentation", ICIP 2025, arXiv 2505.23093. What the paper leaves
// open is a field of the configuration; docs/networks/lemore.md says what is computed.
namespace lemore::networks {

using graph::Activation;
using graph::ConfigReader;
using graph::Graph;
using graph::Map;
using json::Field;

namespace {

using Bias = Graph::Bias;

std::size_t size(int n) { return static_cast<std::size_t>(n); }
std::size_t ceil_div(std::size_t n, int d) { return (n + size(d) - 1) / size(d); }

/// One pixel at the coarsest scale, behind a stem and four stages of stride 2.
constexpr int k_min_side = 32;

/// A down-sampling block, inner blocks, then the Cartesian block, all of `channels` channels.
struct Stage {
  int channels = 0;
  InvertedResidual down;
  std::vector<InvertedResidual> blocks;
};

enum class AttentionKind : std::uint8_t { none, coordinate, channel };

struct NestedConfig {
  bool enabled = true;  ///< false leaves the attention out and keeps the feed-forward networks
  int layers = 3, branches = 3, heads = 1;
  int key_dim = 48, value_dim = 64;  ///< of all heads together
};

/// The defaults are the published network for 512x512 and 150 classes. tools/lemore_torch has the same fields.
struct Config {
  Size input{512, 512};
  int num_classes = 150;
  int stem_channels = 16;
  std::vector<Stage> stages{{16, {}, {}}, {40, {}, {}}, {80, {}, {{3, 3}}}, {96, {}, {{6, 5}}}};
  bool transverse = true, frontal = true, lateral = true;  ///< the views that are there
  int dilation = 2;
  AttentionKind attention = AttentionKind::coordinate;
  bool skip = true;
  int token_stride = 64;
  NestedConfig nested;
  int ffn_expansion = 2;
  int fusion_channels = 128;
  int fusion_stride = 8;
  std::optional<int> classes_only;  ///< classes of the classifier variant

  int token_channels() const {
    int sum = 0;
    for (const Stage& stage : stages) sum += stage.channels;
    return sum;
  }
};

class LeMoRe final : public graph::Network {
 public:
  explicit LeMoRe(Config config) : config_(std::move(config)) {}

  Size input_size() const noexcept override { return config_.input; }
  int min_side() const noexcept override { return k_min_side; }
  void describe(Graph& g, Size size) const override;

 private:
  Map cartesian_block(Graph& g, const Name& name, const Map& x, std::size_t stage) const;
  Map nested_layer(Graph& g, const Name& name, const Map& tokens) const;
  Map fusion_head(Graph& g, const std::vector<Map>& local, const Map& tokens, std::size_t h, std::size_t w) const;

  Config config_;
};

void LeMoRe::describe(Graph& g, Size input) const {
  const Config& c = config_;
  const std::size_t height = size(input.height), width = size(input.width);

  // Stem and stages; F1..F4 are the local features.
  Map x = g.conv3x3s2("stem", g.image(height, width, 1), size(c.stem_channels));
  g.record("stem", x);
  std::vector<Map> local;
  for (std::size_t i = 0; i < c.stages.size(); ++i) {
    const Stage& stage = c.stages[i];
    const Name name("stages", i);
    x = inverted_residual(g, name("down"), x, size(stage.channels), 2, stage.down);
    g.record(name("down"), x);
    for (std::size_t j = 0; j < stage.blocks.size(); ++j)
      x = inverted_residual(g, name("blocks", j), x, size(stage.channels), 1, stage.blocks[j]);
    x = cartesian_block(g, name("cartesian"), x, i);
    g.record(name, x);
    local.push_back(x);
  }

  // Tokens: every scale pooled to one grid, channels side by side.
  std::vector<Map> pooled;
  for (std::size_t i = 0; i < local.size(); ++i)
    pooled.push_back(g.adaptive_avg_pool(Name("tokens", i), local[i], ceil_div(height, c.token_stride),
                                         ceil_div(width, c.token_stride)));
  Map tokens = g.concat(pooled);

  for (int l = 0; l < c.nested.layers; ++l) {
    const Name name("nested", size(l));
    tokens = nested_layer(g, name, tokens);
    g.record(name, tokens);
  }

  if (c.classes_only) {
    const Map mean = g.global_mean("mean", tokens);
    return g.output(g.pointwise("classifier", mean, size(*c.classes_only), Activation::none, Bias::trained),
                    graph::OutputKind::class_logits);
  }
  g.output(fusion_head(g, local, tokens, ceil_div(height, c.fusion_stride), ceil_div(width, c.fusion_stride)),
           graph::OutputKind::pixel_logits);
}

/// "CA" of the paper's figure: one gate along the height, one along the width; then the skip.
Map coordinate_attention(Graph& g, const Name& name, const Map& x, const Map& skip) {
  const Map means = g.axis_means(name("means"), x);
  const Map reduced = g.pointwise(name("reduce"), means, x.c, Activation::hardswish);
  const Map a_h = g.pointwise(name("height"), g.rows(reduced, 0, x.h), x.c, Activation::sigmoid, Bias::trained);
  const Map a_w = g.pointwise(name("width"), g.rows(reduced, x.h, x.w), x.c, Activation::sigmoid, Bias::trained);
  return g.gate(name, x, a_h, a_w, skip);
}

/// Squeeze and excite without reduction; then the skip.
Map channel_attention(Graph& g, const Name& name, const Map& x, const Map& skip) {
  const Map mean = g.global_mean(name("mean"), x);
  const Map hidden = g.pointwise(name("fc1"), mean, x.c, Activation::relu, Bias::trained);
  const Map a = g.pointwise(name("fc2"), hidden, x.c, Activation::sigmoid, Bias::trained);
  return g.gate(name, x, a, {}, skip);
}

/// The Cartesian encoder: three views summed, norm, relu6; four axial depthwise convolutions; attention; skip.
Map LeMoRe::cartesian_block(Graph& g, const Name& name, const Map& x, std::size_t stage) const {
  const Config& c = config_;
  const std::size_t dilation = size(c.dilation);
  const auto halved = [&](int n) {  // by the stem, the stages before, and this one
    for (std::size_t i = 0; i < stage + 2; ++i) n = (n + 1) / 2;
    return size(n);
  };
  Map y =
      g.axis_projections(name, x, {c.transverse, c.frontal, c.lateral, halved(c.input.height), halved(c.input.width)});
  y = g.depthwise(name("axial", 0), y, {3, 1, 1, 1, Activation::none});
  y = g.depthwise(name("axial", 1), y, {1, 3, 1, 1, Activation::relu6});
  y = g.depthwise(name("axial", 2), y, {3, 1, 1, dilation, Activation::none});
  y = g.depthwise(name("axial", 3), y, {1, 3, 1, dilation, Activation::relu6});

  const Map skip = c.skip ? x : Map{};
  switch (c.attention) {
    case AttentionKind::coordinate:
      return coordinate_attention(g, name("attention"), y, skip);
    case AttentionKind::channel:
      return channel_attention(g, name("attention"), y, skip);
    case AttentionKind::none:
      break;
  }
  return c.skip ? g.gate(name("skip"), y, {}, {}, skip) : y;
}

/// One layer of nested attention and its feed-forward network, on tokens [h, w, e].
Map LeMoRe::nested_layer(Graph& g, const Name& name, const Map& tokens) const {
  const NestedConfig& n = config_.nested;
  const std::size_t e = tokens.c, queries_keys = size(2 * n.branches * n.key_dim), value = size(n.value_dim);
  Map x = tokens;
  if (n.enabled) {
    // The trained network has a value projection per branch; psi multiplies their sum, so the weight file holds the sum.
    const std::size_t trained = queries_keys + size(n.branches) * value;
    const Map qkv = g.pointwise(name("qkv"), x, queries_keys + value, Activation::none, Bias::norm, {}, trained);
    const Map o =
        g.nested_attention(name, qkv, {size(n.branches), size(n.heads), size(n.key_dim), value, Activation::relu6});
    x = g.pointwise(name("project"), o, e, Activation::none, Bias::norm, x);
  }
  const Name ffn = name("ffn");
  Map y = g.pointwise(ffn("expand"), x, e * size(config_.ffn_expansion));
  y = g.depthwise(ffn("depthwise"), y, {3, 3, 1, 1, Activation::relu6, Bias::trained});
  return g.pointwise(ffn("project"), y, e, Activation::none, Bias::norm, x);
}

/// Gated fusion of the local features F1..F4 with the global ones, the tokens cut into channel groups:
/// Z = local(F) * resize(sigmoid(gate(G))) + resize(globl(G)); then every Z resized to h x w and summed, "head.fuse"
/// (relu6) and "head.classifier" give the logits.
Map LeMoRe::fusion_head(Graph& g, const std::vector<Map>& local, const Map& tokens, std::size_t h,
                        std::size_t w) const {
  const std::size_t fused_c = size(config_.fusion_channels);
  std::vector<Map> gates, globals;
  std::size_t channel = 0;
  for (std::size_t i = 0; i < local.size(); ++i) {
    const Name name("fusion", i);
    const Map globl = g.channels(tokens, channel, local[i].c);
    gates.push_back(g.pointwise(name("gate"), globl, fused_c, Activation::sigmoid));
    globals.push_back(g.pointwise(name("globl"), globl, fused_c));
    channel += local[i].c;
  }
  std::vector<Map> fused;
  for (std::size_t i = 0; i < local.size(); ++i) {
    const Name name("fusion", i);
    fused.push_back(g.gated_fusion(name, g.pointwise(name("local"), local[i], fused_c), gates[i], globals[i]));
    g.record(name, fused.back());
  }
  const Map sum = g.resize_sum("head.resize", fused, h, w);
  const Map head = g.pointwise("head.fuse", sum, fused_c, Activation::relu6);
  g.record("head.fuse", head);
  return g.pointwise("head.classifier", head, size(config_.num_classes), Activation::none, Bias::trained);
}

void read_residual(ConfigReader& r, const Field& field, InvertedResidual& residual) {
  if (!field.value || !r.object(field, {"expansion", "kernel"})) return;
  r.integer(field, "expansion", 1, 64, residual.expansion);
  r.integer(field, "kernel", 3, 5, residual.kernel);
  if (residual.kernel % 2 == 0) r.fail(field.member("kernel"), {"3 or 5"});
}

void read_stages(ConfigReader& r, const Field& config, Config& c) {
  const Field field = config.member("stages");
  if (!field.value) return;
  constexpr std::size_t k_max_stages = 8;
  c.stages.clear();
  for (const Field& item : r.list(field, 1, k_max_stages)) {
    Stage stage;
    if (!r.object(item, {"channels", "down", "blocks"})) return;
    stage.channels = static_cast<int>(r.integer(item.member("channels"), 1, r.k_max_channels));
    read_residual(r, item.member("down"), stage.down);
    if (const Field blocks = item.member("blocks"); blocks.value)
      for (const Field& block : r.list(blocks, 0, r.k_max_layers)) {
        stage.blocks.emplace_back();
        read_residual(r, block, stage.blocks.back());
      }
    c.stages.push_back(std::move(stage));
  }
}

void read_views(ConfigReader& r, const Field& config, Config& c) {
  const Field field = config.member("views");
  if (!field.value) return;
  const std::pair<const char*, bool*> views[] = {
      {"transverse", &c.transverse}, {"frontal", &c.frontal}, {"lateral", &c.lateral}};
  for (const auto& view : views) *view.second = false;
  for (const Field& item : r.list(field, 1, 3)) {
    const auto view = std::find_if(std::begin(views), std::end(views),
                                   [&](const auto& v) { return item.value.string() == std::string_view(v.first); });
    if (view == std::end(views) || *view->second)
      return r.fail(item, {"distinct names of transverse, frontal, lateral"});
    *view->second = true;
  }
}

void read_attention(ConfigReader& r, const Field& config, Config& c) {
  const Field field = config.member("attention");
  if (!field.value) return;
  if (field.value.is(json::Type::null)) {
    c.attention = AttentionKind::none;
  } else if (field.value.string() == std::string_view("coordinate")) {
    c.attention = AttentionKind::coordinate;
  } else if (field.value.string() == std::string_view("channel")) {
    c.attention = AttentionKind::channel;
  } else {
    r.fail(field, {"'coordinate', 'channel' or null"});
  }
}

void read_nested(ConfigReader& r, const Field& config, NestedConfig& n) {
  const Field field = config.member("nested");
  if (!field.value) return;
  if (!r.object(field, {"enabled", "layers", "branches", "heads", "key_dim", "value_dim"})) return;
  r.boolean(field, "enabled", n.enabled);
  r.integer(field, "layers", 0, r.k_max_layers, n.layers);
  r.integer(field, "branches", 1, 16, n.branches);
  r.integer(field, "heads", 1, 64, n.heads);
  r.integer(field, "key_dim", 1, r.k_max_channels, n.key_dim);
  r.integer(field, "value_dim", 1, r.k_max_channels, n.value_dim);
  const std::pair<const char*, int> dims[] = {{"key_dim", n.key_dim}, {"value_dim", n.value_dim}};
  for (const auto& [key, value] : dims)
    if (value % n.heads != 0) r.fail(field.member(key), {"a multiple of heads (", n.heads, ")"}, join({value}));
}

/// Refuses what the bounds of single fields let through together.
void check_widths(ConfigReader& r, const Field& config, const Config& c) {
  std::int64_t in_c = c.stem_channels;
  for (std::size_t i = 0; i < c.stages.size(); ++i) {
    const Stage& stage = c.stages[i];
    const std::string stage_name = join({"stages[", i, "]"});
    const Field field = config.part(stage_name);
    r.at_most(field, "down: input channels x expansion", in_c * stage.down.expansion, r.k_max_wide_channels);
    in_c = stage.channels;
    for (const InvertedResidual& block : stage.blocks)
      r.at_most(field, "blocks: channels x expansion", in_c * block.expansion, r.k_max_wide_channels);
  }
  r.at_most(config, "ffn_expansion x token channels", std::int64_t{c.ffn_expansion} * c.token_channels(),
            r.k_max_wide_channels);
  if (c.nested.enabled)
    r.at_most(config, "nested: 2 x branches x key_dim + value_dim",
              std::int64_t{2} * c.nested.branches * c.nested.key_dim + c.nested.value_dim, r.k_max_wide_channels);
}

}  // namespace

std::unique_ptr<graph::Network> parse_lemore(ConfigReader& r, const Field& config) {
  Config c;
  r.object(config, {"input_size", "num_classes", "stem_channels", "stages", "views", "dilation", "attention", "skip",
                    "token_stride", "nested", "ffn_expansion", "fusion_channels", "fusion_stride", "classes_only"});
  r.input_size(config, k_min_side, c.input);
  if (const Field only = config.member("classes_only"); only.value && !only.value.is(json::Type::null))
    c.classes_only = static_cast<int>(r.integer(only, 1, 65536));
  // A label map has 8 bits a pixel; a classifier ignores the field.
  r.integer(config, "num_classes", 1, c.classes_only ? 65536 : 256, c.num_classes);
  r.integer(config, "stem_channels", 1, r.k_max_channels, c.stem_channels);
  read_stages(r, config, c);
  read_views(r, config, c);
  r.integer(config, "dilation", 1, 64, c.dilation);
  read_attention(r, config, c);
  r.boolean(config, "skip", c.skip);
  r.integer(config, "token_stride", 1, 1024, c.token_stride);
  read_nested(r, config, c.nested);
  r.integer(config, "ffn_expansion", 1, 64, c.ffn_expansion);
  r.integer(config, "fusion_channels", 1, r.k_max_channels, c.fusion_channels);
  r.integer(config, "fusion_stride", 1, 1024, c.fusion_stride);
  if (r.ok()) check_widths(r, config, c);
  return std::make_unique<LeMoRe>(std::move(c));
}

}  // namespace lemore::networks
