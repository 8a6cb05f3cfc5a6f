#pragma once

#include <cstddef>

#include "core/name.h"
#include "kernels/ops/activation.h"
#include "plan/plan.h"
#include "weights/weight_file.h"

/// Operators: each checks the shapes it is given, finds its weights by name, makes the value it computes and appends
/// one step that splits its rows over the session's threads and calls a kernel. Names are the modules of the PyTorch
/// state dict.
namespace lemore::ops {

using kernels::Activation;
using plan::Value;

/// What a layer is trained to: its weights, and its bias.
struct Weights {
  const float *weight = nullptr, *bias = nullptr;
};

/// A network under description: the plan it is lowered to, and the weights its ops find by name.
struct Graph {
  plan::Builder& plan;
  const WeightFile& weights;

  /// The tensor's elements, or null with the plan failed when the file has none of that name (WeightFile has checked
  /// shapes).
  const float* tensor(const Name& name) const;
  /// The tensors "<layer>.weight" and "<layer>.bias".
  Weights layer(const Name& layer) const;
};

/// The normalised image [h + 2, w + 2, 3] in a border of zeros, which the session fills before each run.
Value image(const Graph& g, std::size_t h, std::size_t w);

/// 3x3 convolution with stride 2 of the image; relu6.
Value stem_conv(const Graph& g, const Name& name, const Value& image, std::size_t out_c);

/// 1x1 convolution or linear layer with bias: activation(x W^T + b) + residual.
struct Pointwise {
  Activation activation = Activation::none;
  Value residual = {};     ///< dense, shaped as the result; absent by default
  std::uint64_t macs = 0;  ///< multiply-accumulates the trained network needs; 0: those of this op
};
Value pointwise(const Graph& g, const Name& name, const Value& x, std::size_t out_c, const Pointwise& options = {});

/// Depthwise convolution with bias, kernel kh x kw, zero padding dilation * (k - 1) / 2.
struct Depthwise {
  std::size_t kh = 3, kw = 3, stride = 1, dilation = 1;
  Activation activation = Activation::none;
};
Value depthwise(const Graph& g, const Name& name, const Value& x, const Depthwise& options);

/// Which of the three views of a Cartesian block are there.
struct Views {
  bool transverse = true, frontal = true, lateral = true;
  std::size_t trained_h = 0, trained_w = 0;  ///< sizes of the operators in the weight file
};
/// relu6(norm(sum of the views)): the channels mixed by `transverse`, the height by `frontal`, the width by `lateral`;
/// operators of another size are resampled when the session is made.
Value cartesian_views(const Graph& g, const Name& name, const Value& x, const Views& views);

/// Means over the width, then over the height, laid end to end: [h + w, 1, c].
Value axis_means(const Graph& g, const Name& name, const Value& x);
/// Mean over height and width: [1, 1, c].
Value global_mean(const Graph& g, const Name& name, const Value& x);

/// x * a_h * a_w + skip: a_h [h, 1, c], or [1, 1, c] for every row; a_w [w, 1, c]. Any of the three may be absent.
Value gate(const Graph& g, const Name& name, const Value& x, const Value& a_h, const Value& a_w, const Value& skip);

/// Adaptive average pooling of x into the channels `out` (a slice) of a token map.
void adaptive_avg_pool(const Graph& g, const Name& name, const Value& x, const Value& out);

/// Nested attention on the projections `qkv` [h, w, branches * key_dim * 2 + value_dim]: activation(psi V), [h, w,
/// value_dim].
struct NestedAttention {
  std::size_t branches = 3, heads = 1, key_dim = 48, value_dim = 64;
  Activation activation = Activation::none;
};
Value nested_attention(const Graph& g, const Name& name, const Value& qkv, const NestedAttention& options);

/// local * resize(gate) + resize(globl), at the size of `local`.
Value gated_fusion(const Graph& g, const Name& name, const Value& local, const Value& gate, const Value& globl);

/// out (+)= bilinear resize of x to the size of `out`.
void resize_into(const Graph& g, const Name& name, const Value& x, const Value& out, bool accumulate);

}  // namespace lemore::ops
