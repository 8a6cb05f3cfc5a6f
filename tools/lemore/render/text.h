#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/image.h"

namespace lemore::cli {

using Rgb = std::array<std::uint8_t, 3>;

/// A small RGB picture that is drawn on; rows without padding.
struct Canvas {
  Size size;
  std::vector<std::uint8_t> rgb;

  Canvas() = default;
  Canvas(Size size_, const Rgb& fill);
  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * size.width * 3; }
  /// Fills the part of the rectangle that lies on the canvas.
  void fill(int left, int top, int width, int height, const Rgb& color);
};

/// Height of a line of text in pixels at scale 1; letters stand in the upper 9 of them.
constexpr int k_text_height = 12;

/// Width of `text` in pixels. Bytes outside printable ASCII count, and are drawn, as '?'; a UTF-8 sequence as one.
int text_width(std::string_view text, int scale);

/// Draws one line with its upper left corner at (left, top).
void draw_text(Canvas& canvas, int left, int top, std::string_view text, int scale, const Rgb& color);

}  // namespace lemore::cli
