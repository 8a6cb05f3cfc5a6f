#include "models/lemore.h"

#include <vector>

#include "blocks/blocks.h"
#include "image/label_map.h"

namespace lemore::models {

using ops::Activation;
using plan::Value;

namespace {

std::size_t size(int n) { return static_cast<std::size_t>(n); }
std::size_t ceil_div(std::size_t n, int d) { return (n + size(d) - 1) / size(d); }

}  // namespace

Result<plan::Plan> build_lemore(const WeightFile& weights, Size input, const plan::Options& options) {
  const LemoreConfig& config = weights.config();
  plan::Builder builder(options);
  const ops::Graph g{builder, weights};
  const std::size_t height = size(input.height), width = size(input.width);

  // Stem and four stages; F1..F4 are the local features.
  const Value image = ops::image(g, height, width);
  Value x;
  std::vector<Value> local;
  for (std::size_t i = 0; i < config.stages.size(); ++i) {
    const StageConfig& stage = config.stages[i];
    const Name name("stages", i);
    x = i == 0 ? blocks::stem_and_down(g, image, size(config.stem_channels), size(stage.channels), stage.down)
               : blocks::inverted_residual(g, name("down"), x, size(stage.channels), 2, stage.down);
    builder.stage(name("down"), x);
    for (std::size_t j = 0; j < stage.blocks.size(); ++j)
      x = blocks::inverted_residual(g, name("blocks", j), x, size(stage.channels), 1, stage.blocks[j]);
    x = blocks::cartesian_block(
        g, name("cartesian"), x, config,
        {config.transverse, config.frontal, config.lateral, size(config.stage_h(i)), size(config.stage_w(i))});
    builder.stage(name, x);
    local.push_back(x);
  }

  // Tokens: every scale pooled to one grid, channels side by side.
  Value tokens = builder.value(ceil_div(height, config.token_stride), ceil_div(width, config.token_stride),
                               size(config.token_channels()));
  std::size_t channel = 0;
  for (std::size_t i = 0; i < local.size(); ++i) {
    ops::adaptive_avg_pool(g, Name("tokens", i), local[i], tokens.channels(channel, local[i].c));
    channel += local[i].c;
  }

  // Nested attention.
  for (int l = 0; l < config.nested.layers; ++l) {
    const Name name("nested", size(l));
    tokens = blocks::nested_layer(g, name, tokens, config);
    builder.stage(name, tokens);
  }

  Value output;
  if (config.is_classifier()) {
    const Value mean = ops::global_mean(g, "mean", tokens);
    output = ops::pointwise(g, "classifier", mean, size(config.outputs()));
  } else {
    output = blocks::fusion_head(g, local, tokens, ceil_div(height, config.fusion_stride),
                                 ceil_div(width, config.fusion_stride), size(config.fusion_channels),
                                 size(config.outputs()));
  }
  builder.stage("output", output);

  const std::size_t scratch =
      config.is_classifier() ? 0
                             : image::label_scratch(output, input, weights.preprocessing().label_map, options.workers);
  return builder.finish(image, output, scratch);
}

}  // namespace lemore::models
