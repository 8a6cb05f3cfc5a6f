#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/status.h"

namespace lemore {

/// An inverted residual block: expand, depthwise, project.
struct InvertedResidualConfig {
  int expansion = 6;
  int kernel = 3;
};

/// Most stages a network may have.
inline constexpr int k_max_stages = 8;

/// A down-sampling block, inner blocks, then the Cartesian block, all of `channels` channels.
struct StageConfig {
  int channels = 0;
  InvertedResidualConfig down;
  std::vector<InvertedResidualConfig> blocks;
};

struct NestedConfig {
  bool enabled = true;  ///< false leaves the attention out and keeps the FFNs
  int layers = 3;
  int branches = 3;
  int heads = 1;
  int key_dim = 48;    ///< of all heads together
  int value_dim = 64;  ///< of all heads together
};

enum class AttentionKind : std::uint8_t { none, coordinate, channel };

/// The configuration of a LeMoRe network; the defaults are the published one for 512x512 and 150 classes.
/// Source    spec, section "Configuration"; tools/lemore_torch/config.py has the same fields and bounds.
struct LemoreConfig {
  LemoreConfig();

  int input_h = 512, input_w = 512;
  int num_classes = 150;
  int stem_channels = 16;
  std::vector<StageConfig> stages;
  bool transverse = true, frontal = true, lateral = true;  ///< the views that are there
  int dilation = 2;
  AttentionKind attention = AttentionKind::coordinate;
  bool skip = true;
  int token_stride = 64;
  NestedConfig nested;
  int ffn_expansion = 2;
  int fusion_channels = 128;
  int fusion_stride = 8;
  std::optional<int> classes_only;  ///< classes of the classifier variant

  bool is_classifier() const noexcept { return classes_only.has_value(); }
  /// Logits of a pixel or, of a classifier, of the image.
  int outputs() const noexcept { return classes_only ? *classes_only : num_classes; }
  /// Channels of a token: the stages' channels together.
  int token_channels() const noexcept;
  int stage_h(std::size_t stage) const noexcept;  ///< height of stage's output at the training size: ceil halves
  int stage_w(std::size_t stage) const noexcept;  ///< width of it
};

/// Reads a configuration: absent fields take the published value; unknown fields, wrong types, values out of bounds and
/// networks of absurd size are errors that begin with `file` and name the field.
Result<LemoreConfig> parse_lemore_config(std::string_view json, const std::string& file);

/// One layer with weights, as it is run: BatchNorm folded in, value projections merged.
struct LayerSpec {
  enum class Kind : std::uint8_t {
    stem,       ///< dense 3x3 convolution of 3 channels
    pointwise,  ///< 1x1 convolution or linear layer
    depthwise,  ///< kh x kw, out_c channels
    norm,       ///< scale and shift of out_c channels
    axis        ///< [out_c, out_c] operator along an image axis
  };

  std::string name;  ///< prefix of its tensors, for instance "stages.0.down.expand"
  Kind kind = Kind::pointwise;
  int in_c = 0, out_c = 0;
  int kh = 1, kw = 1;
  bool has_bias = true;   ///< as it is run
  bool has_norm = true;   ///< training has a BatchNorm in place of a bias of its own
  int trained_out_c = 0;  ///< rows in training: more than out_c where value projections are merged

  /// Floats of weight and bias as they are run, without packing.
  std::uint64_t floats() const noexcept;
};

/// Every layer with weights that the configuration calls for, in the order they are run.
std::vector<LayerSpec> lemore_layers(const LemoreConfig& config);

/// Parameters that training learns: BatchNorm weight and bias included, running statistics not.
std::uint64_t trained_parameters(const LemoreConfig& config);

}  // namespace lemore
