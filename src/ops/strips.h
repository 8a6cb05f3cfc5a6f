#pragma once

#include <cstddef>
#include <vector>

#include "ops/ops.h"

/// Steps that compute several layers strip by strip, so that the large maps between them never leave the cache. Each
/// gives the bits of the layers run one after the other.
namespace lemore::ops {

/// The stem that a strip computes as it goes, instead of reading it: `image` as ops::image gives it.
struct FusedStem {
  Name name;
  Value image;
  std::size_t c = 0;

  std::size_t h() const { return (image.h - 1) / 2; }
  std::size_t w() const { return (image.w - 1) / 2; }
};

/// MobileNetV2's block with an expansion: expand (relu6), depthwise k x k (relu6), project; plus x where `residual`.
struct InvertedResidual {
  std::size_t expansion = 6, kernel = 3, stride = 1;
  bool residual = false;
};

/// Whether the block's expanded map is worth keeping in strips.
bool worth_strips(std::size_t h, std::size_t w, std::size_t expanded_c);

/// The block on x, in strips of output rows.
Value inverted_residual(const Graph& g, const Name& name, const Value& x, std::size_t out_c,
                        const InvertedResidual& options);
/// The block on the stem's map, which is made in the same strips. No residual.
Value inverted_residual(const Graph& g, const Name& name, const FusedStem& stem, std::size_t out_c,
                        const InvertedResidual& options);

/// Whether the rows of a Cartesian block can be worked off in strips without computing many of them twice.
bool worth_cartesian_strips(const Graph& g, std::size_t h, std::size_t dilation);

/// cartesian_views, then the four axial convolutions "<name>.axial.0" to ".3": 3x1, 1x3 (relu6), dilated 3x1, dilated
/// 1x3 (relu6), row by row behind the frontal view, which needs all rows.
Value cartesian_strips(const Graph& g, const Name& name, const Value& x, const Views& views, std::size_t dilation);

/// One scale of the head: a local feature, and the gate and global part of its tokens.
struct FusionScale {
  Name name;    ///< "fusion.<i>"
  Value local;  ///< [h, w, c of the stage]
  Value gate;   ///< sigmoid(gate of the tokens), [token h, token w, fused c]
  Value globl;  ///< shaped as gate
};

/// "head.classifier" of relu6("head.fuse" of the sum over all scales of resize(local(F) * resize(gate) +
/// resize(globl))), the sum at h x w, in strips of its rows: no fused feature is ever there as a whole, unless it is
/// smaller than the sum.
Value fusion_head(const Graph& g, const std::vector<FusionScale>& scales, std::size_t h, std::size_t w,
                  std::size_t outputs);

}  // namespace lemore::ops
