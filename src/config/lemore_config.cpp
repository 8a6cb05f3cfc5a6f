#include "config/lemore_config.h"

#include <algorithm>
#include <utility>

#include "core/json.h"
#include "core/name.h"
#include "core/text.h"

namespace lemore {
namespace {

// Bounds that tools/lemore_torch/config.py has too: far beyond any sensible network.
constexpr int k_min_size = 32;
constexpr int k_max_size = 16384;
constexpr int k_max_channels = 8192;
constexpr int k_max_layers = 64;
// Bounds of what follows from the fields.
constexpr std::int64_t k_max_wide_channels = 65536;
constexpr std::uint64_t k_max_weight_bytes = std::uint64_t{1} << 31;

class ConfigReader {
 public:
  explicit ConfigReader(const std::string& file) : reader_(file) {}

  Result<LemoreConfig> read(const json::Value& root) {
    const Field config{root, "config"};
    LemoreConfig c;
    reader_.object(config,
                   {"input_size", "num_classes", "stem_channels", "stages", "views", "dilation", "attention", "skip",
                    "token_stride", "nested", "ffn_expansion", "fusion_channels", "fusion_stride", "classes_only"});
    read_input_size(config, c);
    if (const Field only = config.member("classes_only"); only.value && !only.value.is(json::Type::null)) {
      c.classes_only = static_cast<int>(reader_.integer(only, 1, 65536));
    }
    // A label map has 8 bits a pixel; a classifier ignores the field.
    integer(config, "num_classes", 1, c.is_classifier() ? 65536 : 256, c.num_classes);
    integer(config, "stem_channels", 1, k_max_channels, c.stem_channels);
    read_stages(config, c);
    read_views(config, c);
    integer(config, "dilation", 1, 64, c.dilation);
    read_attention(config, c);
    boolean(config, "skip", c.skip);
    integer(config, "token_stride", 1, 1024, c.token_stride);
    read_nested(config, c);
    integer(config, "ffn_expansion", 1, 64, c.ffn_expansion);
    integer(config, "fusion_channels", 1, k_max_channels, c.fusion_channels);
    integer(config, "fusion_stride", 1, 1024, c.fusion_stride);
    if (reader_.ok()) check_size(config, c);
    if (!reader_.ok()) return reader_.status();
    return c;
  }

 private:
  using Field = json::Field;

  void integer(const Field& object, const char* key, int low, int high, int& value) {
    const Field field = object.member(key);
    if (field.value) value = static_cast<int>(reader_.integer(field, low, high));
  }

  void boolean(const Field& object, const char* key, bool& value) {
    const Field field = object.member(key);
    if (field.value) value = reader_.boolean(field);
  }

  void read_input_size(const Field& config, LemoreConfig& c) {
    const Field field = config.member("input_size");
    if (!field.value) return;
    int* const sides[] = {&c.input_h, &c.input_w};
    std::size_t i = 0;
    for (const Field& side : reader_.list(field, 2, 2))
      *sides[i++] = static_cast<int>(reader_.integer(side, k_min_size, k_max_size));
  }

  InvertedResidualConfig read_residual(const Field& field) {
    InvertedResidualConfig residual;
    if (!field.value || !reader_.object(field, {"expansion", "kernel"})) return residual;
    integer(field, "expansion", 1, 64, residual.expansion);
    integer(field, "kernel", 3, 5, residual.kernel);
    if (residual.kernel % 2 == 0) reader_.fail(field.member("kernel"), {"3 or 5"});
    return residual;
  }

  void read_stages(const Field& config, LemoreConfig& c) {
    const Field field = config.member("stages");
    if (!field.value) return;
    c.stages.clear();
    for (const Field& item : reader_.list(field, 1, k_max_stages)) {
      StageConfig stage;
      if (!reader_.object(item, {"channels", "down", "blocks"})) return;
      stage.channels = static_cast<int>(reader_.integer(item.member("channels"), 1, k_max_channels));
      stage.down = read_residual(item.member("down"));
      if (const Field blocks = item.member("blocks"); blocks.value) {
        for (const Field& block : reader_.list(blocks, 0, k_max_layers)) stage.blocks.push_back(read_residual(block));
      }
      c.stages.push_back(std::move(stage));
    }
  }

  void read_views(const Field& config, LemoreConfig& c) {
    const Field field = config.member("views");
    if (!field.value) return;
    const std::pair<const char*, bool*> views[] = {
        {"transverse", &c.transverse}, {"frontal", &c.frontal}, {"lateral", &c.lateral}};
    for (const auto& view : views) *view.second = false;
    for (const Field& item : reader_.list(field, 1, 3)) {
      const auto view = std::find_if(std::begin(views), std::end(views),
                                     [&](const auto& v) { return item.value.string() == std::string_view(v.first); });
      if (view == std::end(views) || *view->second)
        return reader_.fail(item, {"distinct names of transverse, frontal, lateral"});
      *view->second = true;
    }
  }

  void read_attention(const Field& config, LemoreConfig& c) {
    const Field field = config.member("attention");
    if (!field.value) return;
    if (field.value.is(json::Type::null)) {
      c.attention = AttentionKind::none;
    } else if (field.value.string() == std::string_view("coordinate")) {
      c.attention = AttentionKind::coordinate;
    } else if (field.value.string() == std::string_view("channel")) {
      c.attention = AttentionKind::channel;
    } else {
      reader_.fail(field, {"'coordinate', 'channel' or null"});
    }
  }

  void read_nested(const Field& config, LemoreConfig& c) {
    const Field field = config.member("nested");
    NestedConfig& nested = c.nested;
    if (!field.value) return;
    if (!reader_.object(field, {"enabled", "layers", "branches", "heads", "key_dim", "value_dim"})) return;
    boolean(field, "enabled", nested.enabled);
    integer(field, "layers", 0, k_max_layers, nested.layers);
    integer(field, "branches", 1, 16, nested.branches);
    integer(field, "heads", 1, 64, nested.heads);
    integer(field, "key_dim", 1, k_max_channels, nested.key_dim);
    integer(field, "value_dim", 1, k_max_channels, nested.value_dim);
    const std::pair<const char*, int> dims[] = {{"key_dim", nested.key_dim}, {"value_dim", nested.value_dim}};
    for (const auto& [key, value] : dims) {
      if (value % nested.heads == 0) continue;
      reader_.fail(field.member(key), {"a multiple of heads (", nested.heads, ")"}, join({value}));
    }
  }

  void at_most(const Field& object, const char* what, std::int64_t value, std::int64_t high) {
    if (value > high) {
      reader_.fail(object.part(what), {"at most ", high}, join({value}));
    }
  }

  /// Refuses what the bounds of single fields let through together.
  void check_size(const Field& config, const LemoreConfig& c) {
    std::int64_t in_c = c.stem_channels;
    for (std::size_t i = 0; i < c.stages.size(); ++i) {
      const StageConfig& stage = c.stages[i];
      const std::string stage_name = join({"stages[", i, "]"});
      const Field field = config.part(stage_name);
      at_most(field, "down: input channels x expansion", in_c * stage.down.expansion, k_max_wide_channels);
      in_c = stage.channels;
      for (const InvertedResidualConfig& block : stage.blocks) {
        at_most(field, "blocks: channels x expansion", in_c * block.expansion, k_max_wide_channels);
      }
    }
    at_most(config, "ffn_expansion x token channels", std::int64_t{c.ffn_expansion} * c.token_channels(),
            k_max_wide_channels);
    if (c.nested.enabled) {
      at_most(config, "nested: 2 x branches x key_dim + value_dim",
              std::int64_t{2} * c.nested.branches * c.nested.key_dim + c.nested.value_dim, k_max_wide_channels);
    }
    std::uint64_t floats = 0;  // below 2^35 a layer and 2^12 layers: no overflow
    for (const LayerSpec& layer : lemore_layers(c)) floats += layer.floats();
    if (floats * sizeof(float) > k_max_weight_bytes) {
      reader_.fail(config, {"a network of at most ", k_max_weight_bytes, " bytes of weights"},
                   join({floats * sizeof(float)}));
    }
  }

  json::FieldReader reader_;
};

/// ceil(n / 2^halvings), halving by halving.
int halved(int n, std::size_t halvings) {
  for (; halvings > 0; --halvings) n = (n + 1) / 2;
  return n;
}

/// Collects layers; the names are those of the spec.
struct LayerList {
  std::vector<LayerSpec> layers;

  LayerSpec& add(const Name& name, LayerSpec::Kind kind, int in_c, int out_c, int kh = 1, int kw = 1) {
    LayerSpec layer;
    layer.name = name.text();
    layer.kind = kind;
    layer.in_c = in_c;
    layer.out_c = layer.trained_out_c = out_c;
    layer.kh = kh;
    layer.kw = kw;
    return layers.emplace_back(std::move(layer));
  }

  LayerSpec& pointwise(const Name& name, int in_c, int out_c) {
    return add(name, LayerSpec::Kind::pointwise, in_c, out_c);
  }

  /// A convolution or linear layer with a bias of its own in place of BatchNorm.
  void plain(const Name& name, int in_c, int out_c) { pointwise(name, in_c, out_c).has_norm = false; }

  LayerSpec& depthwise(const Name& name, int channels, int kh, int kw) {
    return add(name, LayerSpec::Kind::depthwise, channels, channels, kh, kw);
  }

  /// Weights without bias or norm.
  static void bare(LayerSpec& layer) { layer.has_bias = layer.has_norm = false; }

  void residual(const Name& name, const InvertedResidualConfig& config, int in_c, int out_c) {
    const int mid_c = in_c * config.expansion;
    if (config.expansion != 1) pointwise(name("expand"), in_c, mid_c);
    depthwise(name("depthwise"), mid_c, config.kernel, config.kernel);
    pointwise(name("project"), mid_c, out_c);
  }

  void cartesian(const Name& name, const LemoreConfig& config, int channels, int height, int width) {
    if (config.transverse) bare(pointwise(name("transverse"), channels, channels));
    if (config.frontal) bare(add(name("frontal"), LayerSpec::Kind::axis, height, height));
    if (config.lateral) bare(add(name("lateral"), LayerSpec::Kind::axis, width, width));
    add(name("norm"), LayerSpec::Kind::norm, channels, channels);
    for (std::size_t i = 0; i < 4; ++i) {
      const bool tall = i % 2 == 0;
      depthwise(name("axial", i), channels, tall ? 3 : 1, tall ? 1 : 3);
    }
    const Name attention = name("attention");
    if (config.attention == AttentionKind::coordinate) {
      pointwise(attention("reduce"), channels, channels);
      plain(attention("height"), channels, channels);
      plain(attention("width"), channels, channels);
    } else if (config.attention == AttentionKind::channel) {
      plain(attention("fc1"), channels, channels);
      plain(attention("fc2"), channels, channels);
    }
  }

  void nested(const Name& name, const LemoreConfig& config) {
    const int tokens = config.token_channels(), wide = tokens * config.ffn_expansion;
    const NestedConfig& n = config.nested;
    if (n.enabled) {
      // All queries and keys in one product; the values, which psi multiplies as a sum, merged into one.
      LayerSpec& qkv = pointwise(name("qkv"), tokens, 2 * n.branches * n.key_dim + n.value_dim);
      qkv.trained_out_c = n.branches * (2 * n.key_dim + n.value_dim);
      pointwise(name("project"), n.value_dim, tokens);
    }
    pointwise(name("ffn.expand"), tokens, wide);
    depthwise(name("ffn.depthwise"), wide, 3, 3).has_norm = false;
    pointwise(name("ffn.project"), wide, tokens);
  }
};

}  // namespace

LemoreConfig::LemoreConfig() : stages{{16, {}, {}}, {40, {}, {}}, {80, {}, {{3, 3}}}, {96, {}, {{6, 5}}}} {}

int LemoreConfig::token_channels() const noexcept {
  int sum = 0;
  for (const StageConfig& stage : stages) sum += stage.channels;
  return sum;
}

int LemoreConfig::stage_h(std::size_t stage) const noexcept { return halved(input_h, stage + 2); }
int LemoreConfig::stage_w(std::size_t stage) const noexcept { return halved(input_w, stage + 2); }

Result<LemoreConfig> parse_lemore_config(std::string_view json, const std::string& file) {
  const Result<json::Document> document = json::Document::parse(json);
  if (!document.ok()) return make_error(document.status(), {file, ": config"});
  return ConfigReader(file).read(document->root());
}

std::uint64_t LayerSpec::floats() const noexcept {
  const std::uint64_t in = static_cast<std::uint64_t>(in_c), out = static_cast<std::uint64_t>(out_c);
  const std::uint64_t bias = has_bias ? out : 0, taps = static_cast<std::uint64_t>(kh) * static_cast<std::uint64_t>(kw);
  switch (kind) {
    case Kind::stem:
    case Kind::pointwise:
    case Kind::axis:
      return out * in * taps + bias;
    case Kind::depthwise:
      return out * taps + bias;
    case Kind::norm:
      return out + bias;
  }
  return 0;
}

std::vector<LayerSpec> lemore_layers(const LemoreConfig& config) {
  LayerList list;
  list.add("stem", LayerSpec::Kind::stem, 3, config.stem_channels, 3, 3);
  int in_c = config.stem_channels;
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    const StageConfig& stage = config.stages[i];
    const Name name("stages", i);
    list.residual(name("down"), stage.down, in_c, stage.channels);
    for (std::size_t j = 0; j < stage.blocks.size(); ++j) {
      list.residual(name("blocks", j), stage.blocks[j], stage.channels, stage.channels);
    }
    list.cartesian(name("cartesian"), config, stage.channels, config.stage_h(i), config.stage_w(i));
    in_c = stage.channels;
  }
  for (int l = 0; l < config.nested.layers; ++l) list.nested({"nested", static_cast<std::size_t>(l)}, config);
  if (config.is_classifier()) {
    list.plain("classifier", config.token_channels(), config.outputs());
    return std::move(list.layers);
  }
  const int fused = config.fusion_channels;
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    const Name name("fusion", i);
    for (const char* part : {"local", "gate", "globl"}) list.pointwise(name(part), config.stages[i].channels, fused);
  }
  list.pointwise("head.fuse", fused, fused);
  list.plain("head.classifier", fused, config.outputs());
  return std::move(list.layers);
}

std::uint64_t trained_parameters(const LemoreConfig& config) {
  std::uint64_t sum = 0;
  for (LayerSpec layer : lemore_layers(config)) {
    layer.out_c = layer.trained_out_c;
    const bool second_vector = layer.has_norm && layer.kind != LayerSpec::Kind::norm;  // BatchNorm's weight
    sum += layer.floats() + (second_vector ? static_cast<std::uint64_t>(layer.out_c) : 0);
  }
  return sum;
}

}  // namespace lemore
