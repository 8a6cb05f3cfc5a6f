#pragma once

#include <vector>

#include "config/lemore_config.h"
#include "ops/ops.h"

/// The parts LeMoRe is made of, in the paper's terms, built from ops. `name` is the module's name in the PyTorch state
/// dict.
namespace lemore::blocks {

using ops::Graph;
using plan::Value;

/// "stem" and "stages.0.down": a 3x3 convolution with stride 2 (relu6), then an inverted residual with stride 2.
Value stem_and_down(const Graph& g, const Value& image, std::size_t stem_c, std::size_t out_c,
                    const InvertedResidualConfig& config);

/// MobileNetV2's block: expand (relu6), depthwise (relu6), project; plus the input when the stride is 1 and channels
/// match.
Value inverted_residual(const Graph& g, const Name& name, const Value& x, std::size_t out_c, std::size_t stride,
                        const InvertedResidualConfig& config);

/// The Cartesian encoder: three views summed, norm, relu6; four axial depthwise convolutions; attention; skip.
Value cartesian_block(const Graph& g, const Name& name, const Value& x, const LemoreConfig& config,
                      const ops::Views& views);

/// One layer of nested attention and its feed-forward network, on tokens [h, w, e].
Value nested_layer(const Graph& g, const Name& name, const Value& tokens, const LemoreConfig& config);

/// Gated fusion of the local features F1..F4 with the global ones, the tokens cut into channel groups: Z = local(F) *
/// resize(sigmoid(gate(G))) + resize(globl(G)); then the head: every Z resized to h x w and summed, "head.fuse" (relu6)
/// and "head.classifier" give the logits.
Value fusion_head(const Graph& g, const std::vector<Value>& local, const Value& tokens, std::size_t h, std::size_t w,
                  std::size_t fused_c, std::size_t outputs);

}  // namespace lemore::blocks
