#include "blocks/blocks.h"

#include "ops/strips.h"

namespace lemore::blocks {

using ops::Activation;

namespace {

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// "CA" of the paper's figure: one gate along the height, one along the width; then the skip.
Value coordinate_attention(const Graph& g, const Name& name, const Value& x, const Value& skip) {
  const Value means = ops::axis_means(g, name("means"), x);
  const Value reduced = ops::pointwise(g, name("reduce"), means, x.c, {Activation::hardswish});
  const Value a_h = ops::pointwise(g, name("height"), reduced.rows(0, x.h), x.c, {Activation::sigmoid});
  const Value a_w = ops::pointwise(g, name("width"), reduced.rows(x.h, x.w), x.c, {Activation::sigmoid});
  return ops::gate(g, name, x, a_h, a_w, skip);
}

// Squeeze and excite without reduction; then the skip.
Value channel_attention(const Graph& g, const Name& name, const Value& x, const Value& skip) {
  const Value mean = ops::global_mean(g, name("mean"), x);
  const Value hidden = ops::pointwise(g, name("fc1"), mean, x.c, {Activation::relu});
  const Value a = ops::pointwise(g, name("fc2"), hidden, x.c, {Activation::sigmoid});
  return ops::gate(g, name, x, a, {}, skip);
}

}  // namespace

Value stem_and_down(const Graph& g, const Value& image, std::size_t stem_c, std::size_t out_c,
                    const InvertedResidualConfig& config) {
  const ops::FusedStem stem{"stem", image, stem_c};
  const plan::Options& options = g.plan.options();
  if (options.fuse && !options.keep_stages && config.expansion != 1 &&
      ops::worth_strips(stem.h(), stem.w(), stem_c * size(config.expansion)))
    return ops::inverted_residual(g, "stages.0.down", stem, out_c, {size(config.expansion), size(config.kernel), 2});
  const Value x = ops::stem_conv(g, "stem", image, stem_c);
  g.plan.stage("stem", x);
  return inverted_residual(g, "stages.0.down", x, out_c, 2, config);
}

Value inverted_residual(const Graph& g, const Name& name, const Value& x, std::size_t out_c, std::size_t stride,
                        const InvertedResidualConfig& config) {
  const std::size_t k = size(config.kernel), expansion = size(config.expansion);
  const bool has_residual = stride == 1 && x.c == out_c;
  if (g.plan.options().fuse && expansion != 1 && ops::worth_strips(x.h, x.w, x.c * expansion))
    return ops::inverted_residual(g, name, x, out_c, {expansion, k, stride, has_residual});
  Value y = x;
  if (expansion != 1) y = ops::pointwise(g, name("expand"), y, x.c * expansion, {Activation::relu6});
  y = ops::depthwise(g, name("depthwise"), y, {k, k, stride, 1, Activation::relu6});
  return ops::pointwise(g, name("project"), y, out_c, {Activation::none, has_residual ? x : Value{}});
}

Value cartesian_block(const Graph& g, const Name& name, const Value& x, const LemoreConfig& config,
                      const ops::Views& views) {
  const std::size_t dilation = size(config.dilation);
  Value y;
  if (g.plan.options().fuse && ops::worth_cartesian_strips(g, x.h, dilation)) {
    y = ops::cartesian_strips(g, name, x, views, dilation);
  } else {
    y = ops::cartesian_views(g, name, x, views);
    y = ops::depthwise(g, name("axial", 0), y, {3, 1, 1, 1, Activation::none});
    y = ops::depthwise(g, name("axial", 1), y, {1, 3, 1, 1, Activation::relu6});
    y = ops::depthwise(g, name("axial", 2), y, {3, 1, 1, dilation, Activation::none});
    y = ops::depthwise(g, name("axial", 3), y, {1, 3, 1, dilation, Activation::relu6});
  }

  const Value skip = config.skip ? x : Value{};
  switch (config.attention) {
    case AttentionKind::coordinate:
      return coordinate_attention(g, name("attention"), y, skip);
    case AttentionKind::channel:
      return channel_attention(g, name("attention"), y, skip);
    case AttentionKind::none:
      break;
  }
  return config.skip ? ops::gate(g, name("skip"), y, {}, {}, skip) : y;
}

Value nested_layer(const Graph& g, const Name& name, const Value& tokens, const LemoreConfig& config) {
  const NestedConfig& n = config.nested;
  const std::size_t e = tokens.c, key = size(n.branches * n.key_dim), value = size(n.value_dim);
  Value x = tokens;
  if (n.enabled) {
    // The trained network has a value projection per branch; psi multiplies their sum, so the weight file holds the
    // sum.
    const std::uint64_t trained = std::uint64_t{x.pixels()} * e * (2 * key + size(n.branches) * value);
    const Value qkv = ops::pointwise(g, name("qkv"), x, 2 * key + value, {Activation::none, {}, trained});
    const Value o = ops::nested_attention(g, name, qkv,
                                          {size(n.branches), size(n.heads), size(n.key_dim), value, Activation::relu6});
    x = ops::pointwise(g, name("project"), o, e, {Activation::none, x});
  }
  Value y = ops::pointwise(g, name("ffn.expand"), x, e * size(config.ffn_expansion));
  y = ops::depthwise(g, name("ffn.depthwise"), y, {3, 3, 1, 1, Activation::relu6});
  return ops::pointwise(g, name("ffn.project"), y, e, {Activation::none, x});
}

Value fusion_head(const Graph& g, const std::vector<Value>& local, const Value& tokens, std::size_t h, std::size_t w,
                  std::size_t fused_c, std::size_t outputs) {
  // Gate and global part at token size.
  std::vector<ops::FusionScale> scales;
  std::size_t channel = 0;
  for (std::size_t i = 0; i < local.size(); ++i) {
    const Name name("fusion", i);
    const Value globl = tokens.channels(channel, local[i].c);
    scales.push_back({name, local[i], ops::pointwise(g, name("gate"), globl, fused_c, {Activation::sigmoid}),
                      ops::pointwise(g, name("globl"), globl, fused_c)});
    channel += local[i].c;
  }
  const plan::Options& options = g.plan.options();
  if (options.fuse && !options.keep_stages) return ops::fusion_head(g, scales, h, w, outputs);

  std::vector<Value> fused;
  for (const ops::FusionScale& s : scales) {
    fused.push_back(
        ops::gated_fusion(g, s.name, ops::pointwise(g, s.name("local"), s.local, fused_c), s.gate, s.globl));
    g.plan.stage(s.name, fused.back());
  }
  const Value sum = g.plan.value(h, w, fused_c);
  for (std::size_t i = 0; i < fused.size(); ++i) ops::resize_into(g, Name("head.resize", i), fused[i], sum, i > 0);
  const Value head = ops::pointwise(g, "head.fuse", sum, fused_c, {Activation::relu6});
  g.plan.stage("head.fuse", head);
  return ops::pointwise(g, "head.classifier", head, outputs);
}

}  // namespace lemore::blocks
