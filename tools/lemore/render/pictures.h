#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "image_io/image.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "render/text.h"

namespace lemore::cli {

/// What classes look like in pictures.
struct Palette {
  std::vector<Rgb> colors;             ///< the model's own, those of its data set: 1..256, one a class
  std::vector<Rgb> overlay;            ///< as many, for overlays and legends: easy to tell apart (distinct_colors)
  std::vector<std::string> names;      ///< as many
  std::array<bool, 256> is_painted{};  ///< others stay as the photo is (overlay), or black (colour)

  /// All classes painted.
  explicit Palette(const std::vector<ClassInfo>& classes);
};

/// A label map with rows without padding, and how sure the network is of each pixel where that decides what is painted.
struct LabelMap {
  Size size;
  const std::uint8_t* labels = nullptr;
  const float* confidence = nullptr;  ///< as large; null: every pixel is painted
  float min_confidence = 0;           ///< pixels below it are not painted

  const std::uint8_t* row(int y) const noexcept { return labels + offset(y); }
  bool is_certain(int y, int x) const noexcept {
    return confidence == nullptr || confidence[offset(y) + static_cast<std::size_t>(x)] >= min_confidence;
  }

 private:
  std::size_t offset(int y) const noexcept {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(size.width);
  }
};

/// How an overlay is painted.
struct OverlayStyle {
  double opacity = 0.5;       ///< of the colours, 0..1
  bool has_outlines = false;  ///< a line in the full colour along the border of each region
};

/// Pixels of each class.
using ClassPixels = std::array<std::uint64_t, 256>;
/// All pixels, uncertain ones too.
ClassPixels count_classes(const LabelMap& map) noexcept;

/// photo + (color - photo) * opacity / 256, rounded; 0 is the photo, 256 the colour.
constexpr std::uint8_t blend(std::uint8_t photo, std::uint8_t color, unsigned opacity_256) noexcept {
  return static_cast<std::uint8_t>((photo * (256 - opacity_256) + color * opacity_256 + 128) >> 8);
}
/// Opacity 0..1 in 256ths.
unsigned opacity_256ths(double opacity) noexcept;

/// A strip `width` pixels wide or wider (the longest entry must fit): a coloured field, name and share of each painted
/// class that is present, most frequent first, in as many columns as fit; at the end the share of uncertain pixels.
Canvas make_legend(const LabelMap& map, const Palette& palette, int width, const Lettering& lettering);

/// The format of pictures that are only for looking at.
enum class PictureFile : std::uint8_t { png, jpeg };

// `bytes` is overwritten, its memory used again. Errors: out_of_memory; unsupported where a JPEG would be too large.

/// A PNG whose values are the classes.
Status encode_labels(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes);
/// Classes in their colours.
Status encode_color(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes,
                    PictureFile file = PictureFile::png);
/// The photo with classes painted over it; `legend`, if given, stands below (the picture is then as wide as the wider).
Status encode_overlay(const Image& photo, const LabelMap& map, const Palette& palette, const OverlayStyle& style,
                      const Canvas* legend, std::vector<std::uint8_t>& bytes, PictureFile file = PictureFile::png);
/// A PNG of 0..1 as gray 0..255, rounded. `values` has rows without padding.
Status encode_confidence(Size size, const float* values, std::vector<std::uint8_t>& bytes);

}  // namespace lemore::cli
