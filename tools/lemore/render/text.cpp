#include "render/text.h"

#include <algorithm>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace lemore::cli {

namespace {

/// stb_easy_font indexes its table with (character - 32) unchecked: only printable ASCII may reach it.
std::string printable(std::string_view text) {
  std::string ascii;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // the rest of a UTF-8 sequence
    ascii += byte >= 0x20 && byte <= 0x7E ? c : '?';
  }
  return ascii;
}

}  // namespace

Canvas::Canvas(Size size_, const Rgb& fill_color)
    : size(size_), rgb(static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width) * 3) {
  fill(0, 0, size.width, size.height, fill_color);
}

void Canvas::fill(int left, int top, int width, int height, const Rgb& color) {
  const int right = std::min(left + width, size.width), bottom = std::min(top + height, size.height);
  for (int y = std::max(top, 0); y < bottom; ++y) {
    for (int x = std::max(left, 0); x < right; ++x) {
      std::copy(color.begin(), color.end(), rgb.begin() + (static_cast<std::ptrdiff_t>(y) * size.width + x) * 3);
    }
  }
}

int text_width(std::string_view text, int scale) { return stb_easy_font_width(printable(text).data()) * scale; }

void draw_text(Canvas& canvas, int left, int top, std::string_view text, int scale, const Rgb& color) {
  struct Vertex {
    float x, y, z;
    unsigned char rgba[4];
  };
  struct Quad {
    Vertex corner[4];
  };
  std::string ascii = printable(text);
  std::vector<Quad> quads(ascii.size() * 20 + 1);  // a letter has fewer than 20 strokes
  const int count =
      stb_easy_font_print(0, 0, ascii.data(), nullptr, quads.data(), static_cast<int>(quads.size() * sizeof(Quad)));
  for (int i = 0; i < count; ++i) {
    const Quad& quad = quads[static_cast<std::size_t>(i)];
    const int x = static_cast<int>(quad.corner[0].x), y = static_cast<int>(quad.corner[0].y);
    const int w = static_cast<int>(quad.corner[2].x) - x, h = static_cast<int>(quad.corner[2].y) - y;
    canvas.fill(left + x * scale, top + y * scale, w * scale, h * scale, color);
  }
}

}  // namespace lemore::cli
