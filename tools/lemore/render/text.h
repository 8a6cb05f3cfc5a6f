#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/image.h"
#include "lemore/status.h"
#include "render/palette.h"

namespace lemore::cli {

/// A small RGB picture that is drawn on; rows without padding.
struct Canvas {
  Size size;
  std::vector<std::uint8_t> rgb;

  Canvas() = default;
  Canvas(Size size_, const Rgb& fill);
  const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * size.width * 3; }
  /// Fills the part of the rectangle that lies on the canvas.
  void fill(int left, int top, int width, int height, const Rgb& color);
  /// Mixes `color` into a pixel, `alpha` 255ths of it; nothing off the canvas.
  void mix(int x, int y, const Rgb& color, unsigned alpha);
};

/// Draws text, in a font of this machine where there is one. Shared by threads, which take turns.
///
/// Fonts     come from files and are read by FreeType, never hinted (a font's own program is not run); files above
///           k_max_font_bytes are passed over. Characters stand beside each other from left to right: Latin, Greek,
///           Cyrillic, Chinese, Japanese and Korean are drawn as they should be, scripts that join their letters or run
///           from right to left are not.
/// No font   the built-in one has the 95 characters of ASCII; others are drawn as boxes.
class Lettering {
 public:
  static constexpr std::size_t k_max_font_bytes = std::size_t{128} << 20;

  /// Fonts for these texts. `font_file`: the font to use first; the machine's (in `folders`) stand in for characters it
  /// lacks. Errors: io_error, invalid_file (font_file is not a font).
  static Result<Lettering> create(const std::string& font_file, const std::vector<std::string>& texts,
                                  const std::vector<std::string>& folders = font_folders());
  /// Where fonts usually are on Linux, the BSDs and macOS, the user's own first.
  static std::vector<std::string> font_folders();

  Lettering(Lettering&&) noexcept;
  Lettering& operator=(Lettering&&) noexcept;
  ~Lettering();

  /// The characters of the texts that no font has, in UTF-8; empty: none is missing.
  const std::string& missing() const noexcept;
  /// Whether a font was found; without one, letters are the built-in ones.
  bool has_font() const noexcept;

  /// Width of `text` in letters of `height` pixels (from the top of an ascender to the bottom of a descender).
  int width(std::string_view text, int height) const;
  /// Draws one line with its upper left corner at (left, top).
  void draw(Canvas& canvas, int left, int top, std::string_view text, int height, const Rgb& color) const;

 private:
  struct Fonts;
  explicit Lettering(std::unique_ptr<Fonts> fonts);
  std::unique_ptr<Fonts> fonts_;
};

}  // namespace lemore::cli
