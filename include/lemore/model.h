#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/export.h"
#include "lemore/image.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

class WeightFile;  // lemore's own

/// A class of the model: its name and the colour it is painted with.
struct ClassInfo {
  std::string name;
  std::array<std::uint8_t, 3> color{};  ///< red, green, blue
};

/// How the label map is made from the logits (docs/networks/lemore.md, "Fusion, head, label map").
enum class LabelMapRule : std::uint8_t {
  direct,   ///< logits resized straight to the image's size
  two_step  ///< first to the network's input size, then to the image's, as MMSegmentation does
};

/// With which arithmetic an image is resized.
enum class ResizeRule : std::uint8_t {
  bilinear,  ///< in floats, half-pixel centres, no antialiasing
  opencv,    ///< 8-bit pixels as cv2.resize with INTER_LINEAR gives them
  pillow     ///< 8-bit pixels as Pillow's BILINEAR gives them, which antialiases
};

/// To which size an image is resized.
enum class SizeRule : std::uint8_t {
  exact,  ///< the model's input size
  fit,    ///< as large as fits into fit_long x fit_short, the ratio kept
  native  ///< its own
};

/// The names of these rules in weight files, in the order of the enumerations.
inline constexpr const char* k_label_map_rules[] = {"direct", "two_step"};
inline constexpr const char* k_resize_rules[] = {"bilinear", "opencv", "pillow"};
inline constexpr const char* k_size_rules[] = {"exact", "fit", "native"};

constexpr const char* name_of(LabelMapRule rule) noexcept { return k_label_map_rules[static_cast<std::size_t>(rule)]; }
constexpr const char* name_of(ResizeRule rule) noexcept { return k_resize_rules[static_cast<std::size_t>(rule)]; }
constexpr const char* name_of(SizeRule rule) noexcept { return k_size_rules[static_cast<std::size_t>(rule)]; }

/// How an image becomes the network's input and its logits a label map: as the authors of the weights test.
struct Preprocessing {
  std::array<float, 3> mean{};  ///< (value - mean) / std for each of R, G and B, with values in 0..255
  std::array<float, 3> std{};
  LabelMapRule label_map = LabelMapRule::direct;
  ResizeRule resize = ResizeRule::bilinear;
  SizeRule size_rule = SizeRule::exact;
  int fit_long = 0, fit_short = 0;  ///< SizeRule::fit: most pixels of the longer and of the shorter side
  int divisor = 1;                  ///< each side goes up to a multiple of this, in the same resize
  bool slide = false;               ///< tested in windows of the model's input size, `stride` apart
  Size stride{0, 0};
};

/// Where weights come from, as their file says; any string may be empty.
struct Provenance {
  std::string source;         ///< name of the training checkpoint
  std::string source_sha256;  ///< its SHA-256, hexadecimal
  std::string license;        ///< terms of use of the weights
  std::string converter;      ///< program that wrote the file
  std::string metrics_json;   ///< JSON object with measured figures, or empty
};

/// How Model::load brings the file into memory.
struct LoadOptions {
  /// Read the file into memory instead of mapping it. A mapped file must not be truncated while a model uses it: the
  /// process would receive SIGBUS. After a copy the file may change or go.
  bool copy = false;
};

/// A network with its weights: immutable, so one model serves any number of sessions on any number of threads.
///
/// Copying a Model copies a handle; the weights live as long as any handle or Session of them.
class LEMORE_API Model {
 public:
  /// Loads the weight file at `path` (format: weights/README.md).
  ///
  /// The file is mapped. Its tensors are used in place when they lie on 64-byte boundaries, as tools/convert.py writes
  /// them; otherwise they are copied.
  /// Errors    io_error; invalid_file, which names the file, the field or tensor, what was expected and what was found;
  ///           unsupported; out_of_memory.
  static Result<Model> load(const std::string& path, const LoadOptions& options = {});

  /// Loads a weight file from `size` bytes at `data`. They must outlive the model unless `copy` is true. Messages call
  /// the file `name`.
  /// Errors    as load.
  static Result<Model> from_memory(const void* data, std::size_t size, bool copy, const std::string& name = "memory");

  /// Architecture, for instance "lemore".
  const std::string& architecture() const noexcept;
  /// The configuration as JSON text, as the file holds it.
  const std::string& config_json() const noexcept;
  /// Height and width the network was trained for.
  Size input_size() const noexcept;
  /// Smallest height and width the network can run at: 32 for LeMoRe, 29 for SegFormer with its usual strides.
  int min_side() const noexcept;
  /// True for an ImageNet-style classifier: its output is one row of logits, and it makes no label map.
  bool is_classifier() const noexcept;
  /// Classes in the order of the logits.
  const std::vector<ClassInfo>& classes() const noexcept;
  /// Value that stands for "no class" in annotations, or -1.
  int ignore_label() const noexcept;
  /// Added to a class index in annotation files (ADE20K stores class c as c + 1).
  int annotation_offset() const noexcept;
  /// Name of the label set, for instance "CamVid (11 classes)"; may be empty.
  const std::string& labels_name() const noexcept;
  const Preprocessing& preprocessing() const noexcept;
  const Provenance& provenance() const noexcept;

  /// Number of parameters that training learns, counted as in the paper: BatchNorm's weight and bias are included, its
  /// running statistics are not.
  std::uint64_t trained_parameters() const noexcept;
  /// Multiply-accumulates of convolutions and linear layers for one input of `size`, counted as in the paper.
  /// Errors    invalid_shape below min_side() or beyond k_max_input.
  Result<std::uint64_t> macs(Size size) const;
  /// Size of the weight file's tensors in bytes.
  std::size_t weight_bytes() const noexcept;

  const WeightFile& weights() const noexcept { return *weights_; }  ///< for lemore's own sources

 private:
  explicit Model(std::shared_ptr<const WeightFile> weights) : weights_(std::move(weights)) {}
  std::shared_ptr<const WeightFile> weights_;
};

/// Largest height or width a session can be made for.
constexpr int k_max_input = 16384;

}  // namespace lemore

#include "lemore/pop_macros.h"
