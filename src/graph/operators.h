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

/// Inputs: x, residual.
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

using Operator = std::variant<Conv3x3s2, Pointwise, Depthwise, AxisProjections, AxisMeans, GlobalMean, Gate,
                              AdaptiveAvgPool, NestedAttention, GatedFusion, ResizeSum>;

}  // namespace lemore::graph
