#pragma once

#include <string>

#include "config/lemore_config.h"
#include "ops/ops.h"

/// The parts LeMoRe is made of, in the paper's terms, built from ops. `name` is the module's name in the PyTorch state
/// dict.
namespace lemore::blocks {

using ops::Graph;
using plan::Value;

/// MobileNetV2's block: expand (relu6), depthwise (relu6), project; plus the input when the stride is 1 and channels
/// match.
Value inverted_residual(const Graph& g, const std::string& name, const Value& x, std::size_t out_c, std::size_t stride,
                        const InvertedResidualConfig& config);

/// The Cartesian encoder: three views summed, norm, relu6; four axial depthwise convolutions; attention; skip.
Value cartesian_block(const Graph& g, const std::string& name, const Value& x, const LemoreConfig& config,
                      const ops::Views& views);

/// One layer of nested attention and its feed-forward network, on tokens [h, w, e].
Value nested_layer(const Graph& g, const std::string& name, const Value& tokens, const LemoreConfig& config);

/// Gated fusion of a local feature with its share of the tokens: Z = local * resize(sigmoid(gate)) + resize(globl).
Value gated_fusion(const Graph& g, const std::string& name, const Value& local, const Value& globl, std::size_t out_c);

}  // namespace lemore::blocks
