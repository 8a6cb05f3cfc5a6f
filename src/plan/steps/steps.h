#pragma once

#include <cstddef>
#include <cstdint>

#include "graph/graph.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/resize.h"
#include "plan/lower.h"
#include "plan/plan.h"

/// From nodes to steps: each function makes the values that a node computes and appends steps that split their rows over
/// the session's threads and call kernels. Shapes were checked by the graph.
namespace lemore::plan::steps {

using graph::Node;
using kernels::Activation;

// steps/layers.cpp: layers that most networks have.
void lower(Lowering& l, const Node& node, const graph::Conv3x3s2& op);
void lower(Lowering& l, const Node& node, const graph::Pointwise& op);
void lower(Lowering& l, const Node& node, const graph::Depthwise& op);
void lower(Lowering& l, const Node& node, const graph::GlobalMean& op);
void lower(Lowering& l, const Node& node, const graph::ResizeSum& op);

// steps/axis.cpp, steps/attention.cpp: LeMoRe's own.
void lower(Lowering& l, const Node& node, const graph::AxisProjections& op);
void lower(Lowering& l, const Node& node, const graph::AxisMeans& op);
void lower(Lowering& l, const Node& node, const graph::Gate& op);
void lower(Lowering& l, const Node& node, const graph::AdaptiveAvgPool& op);
void lower(Lowering& l, const Node& node, const graph::NestedAttention& op);
void lower(Lowering& l, const Node& node, const graph::GatedFusion& op);

// steps/tokens.cpp: transformers'. steps/offset_learning.cpp. Not built without transformers.
void lower(Lowering& l, const Node& node, const graph::Conv& op);
void lower(Lowering& l, const Node& node, const graph::LayerNorm& op);
void lower(Lowering& l, const Node& node, const graph::Attention& op);
void lower(Lowering& l, const Node& node, const graph::MaxPool& op);
void lower(Lowering& l, const Node& node, const graph::ClassAffinity& op);
void lower(Lowering& l, const Node& node, const graph::ClassOffset& op);
void lower(Lowering& l, const Node& node, const graph::OffsetLogits& op);

// Groups, strip by strip: the same bits as their nodes one after the other.

/// steps/inverted_residual.cpp: `block` are three nodes, pointwise, depthwise, pointwise; `stem`, or null, the conv3x3s2
/// before them.
void inverted_residual(Lowering& l, const Node* stem, const Node* block);
/// steps/cartesian.cpp: axis projections and four depthwise nodes.
void cartesian(Lowering& l, const Node* nodes);
/// steps/fusion_head.cpp: the nodes of Pattern::fusion_head.
void fusion_head(Lowering& l, const Node* nodes, std::size_t count);
/// steps/resized_sum.cpp: the nodes of Pattern::resized_sum. Not built without transformers.
void resized_sum(Lowering& l, const Node* nodes, std::size_t count);

// What the files of this room share.

/// A layer's weight and bias.
struct Weights {
  const float *weight = nullptr, *bias = nullptr;
};
template <typename Op>
Weights weights_of(const Lowering& l, const Op& op) {
  return {l.weight(op.weight), l.weight(op.bias)};
}

/// Rows of a share that are worth a thread's start, when a row takes so many multiply-accumulates or elements.
std::size_t grain(std::uint64_t work_per_row);

/// A constant of the taps of the resize src -> dst, and where they lie.
Value taps(Lowering& l, std::size_t src, std::size_t dst);
const kernels::ResizeTap* taps_at(const Runtime& r, const Value& v);

/// sum (+)= x, `n` values.
void add_rows(const Runtime& r, const float* x, std::size_t n, bool first, float* sum);

/// A packed 1x1 layer as gemm reads it: k channels to n.
kernels::Gemm pointwise_gemm(const Weights& weights, std::size_t k, std::size_t n, Activation activation);

}  // namespace lemore::plan::steps
