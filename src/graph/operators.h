#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "kernels/ops/activation.h"

/// The operators that nodes of a graph apply, with their attributes. Weights are indices into Graph::weights(), -1 where
/// there is none.
namespace lemore::graph {

using kernels::Activation;

/// A feature map [h, w, c], channels last: a handle, not yet memory.
struct Map {
  int id = -1;
  std::size_t h = 0, w = 0, c = 0;

  explicit operator bool() const { return id >= 0; }
  std::size_t pixels() const { return h * w; }
};

struct Conv3x3s2 {
  int weight = -1, bias = -1;
};

/// Inputs: x, residual, and the map that the products are added to before the activation, whose place the result takes.
struct Pointwise {
  int weight = -1, bias = -1;
  Activation activation = Activation::none;
  std::size_t trained_out_c = 0;  ///< what the trained network's multiply-accumulates are counted with
};

struct Depthwise {
  int weight = -1, bias = -1;
  std::size_t kh = 3, kw = 3, stride = 1, dilation = 1;
  Activation activation = Activation::none;
};

struct AxisProjections {
  int transverse = -1, frontal = -1, lateral = -1;  ///< the views that are there
  int scale = -1, shift = -1;                       ///< of the norm
  std::size_t trained_h = 0, trained_w = 0;
};

struct AxisMeans {};
struct GlobalMean {};

/// Inputs: x, a_h, a_w, skip.
struct Gate {};

struct AdaptiveAvgPool {};

struct NestedAttention {
  std::size_t branches = 3, heads = 1;
  std::size_t key_dim = 48, value_dim = 64;  ///< of all heads together
  Activation activation = Activation::none;
};

/// Inputs: local, gate, global.
struct GatedFusion {};

struct ResizeSum {};

/// Convolution with any kernel, stride and zero padding. Inputs: x.
struct Conv {
  int weight = -1, bias = -1;
  std::size_t kernel = 1, stride = 1, pad = 0;
};

/// Layer normalisation over the channels of each pixel.
struct LayerNorm {
  int scale = -1, shift = -1;
  float eps = 1e-5f;
};

/// Multi-head attention: softmax(q k^T) v, the scale in q. Inputs: q [.., c]; keys and values side by side [.., 2 c].
struct Attention {
  std::size_t heads = 1;
};

struct MaxPool {
  std::size_t kernel = 2, stride = 2;
};

// Offset learning (OffSeg): features E [h, w, c], class vectors R [classes, c].

/// E R^T: [h, w, classes]. Inputs: E.
struct ClassAffinity {
  int classes = -1;
};
/// R + (softmax over the pixels of the affinity)^T E, projected, transposed: [1, c, classes]. Inputs: E, affinity.
struct ClassOffset {
  int classes = -1, projection = -1;
};
/// (E + (softmax over the classes of the affinity) R, projected) times the moved class vectors: [h, w, classes].
/// Inputs: E, affinity, the result of ClassOffset.
struct OffsetLogits {
  int classes = -1, projection = -1;
};

using Operator = std::variant<
#if !LEMORE_WITHOUT_TRANSFORMERS
    Conv, LayerNorm, Attention, MaxPool, ClassAffinity, ClassOffset, OffsetLogits,
#endif
    Conv3x3s2, Pointwise, Depthwise, AxisProjections, AxisMeans, GlobalMean, Gate, AdaptiveAvgPool, NestedAttention,
    GatedFusion, ResizeSum>;

}  // namespace lemore::graph
