#pragma once

#include <cstdint>
#include <vector>

#include "lemore/image.h"
#include "lemore/model.h"
#include "plan/plan.h"

namespace lemore::image {

// What is here is part of builds with core::k_has_transformers only.

/// The size that an image of `image` pixels is resized to before a network of `input` sees it whole.
/// Source    mmcv.imrescale and transformers' SegformerImageProcessor, docs/networks/segformer.md.
Size target_size(const Preprocessing& p, Size input, Size image);

/// The size that it is resized to before windows are laid over it: its own where the authors resize to one exact size,
/// which is a window's.
Size slid_size(const Preprocessing& p, Size image);

/// Resizes of 8-bit pixels as OpenCV and Pillow do them. Keeps its memory for the next image.
class Resizer {
 public:
  /// `image` as RGB at `target`: valid until the next call. The rule is opencv or pillow.
  ImageView resize(const plan::Runtime& r, ResizeRule rule, const ImageView& image, Size target);

 private:
  ImageView to_rgb(const ImageView& image);

  std::vector<std::uint8_t> rgb_, across_, out_;
  std::vector<std::int32_t> weights_, scratch_;
  std::vector<std::uint8_t> taps_;
};

}  // namespace lemore::image
