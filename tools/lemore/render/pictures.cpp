#include "render/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "image_io/codec_jpeg.h"
#include "image_io/codec_png.h"

namespace lemore::cli {

namespace {

constexpr Rgb k_strip_background = {24, 24, 28}, k_strip_text = {235, 235, 235}, k_swatch_border = {120, 120, 120};

/// Adapts a lambda that fills a row to PngPicture's function and context.
template <typename FillRow>
Status encode(PngPicture picture, FillRow& fill_row, std::vector<std::uint8_t>& bytes,
              PictureFile file = PictureFile::png) {
  picture.context = &fill_row;
  picture.fill_row = [](void* context, int y, std::uint8_t* row) { (*static_cast<FillRow*>(context))(y, row); };
  return file == PictureFile::jpeg ? encode_jpeg(picture, bytes) : encode_png(picture, bytes);
}

}  // namespace

Palette::Palette(const std::vector<ClassInfo>& classes) {
  for (const ClassInfo& c : classes) {
    colors.push_back(c.color);
    names.push_back(c.name);
  }
  std::fill_n(is_painted.begin(), std::min(colors.size(), is_painted.size()), true);
}

ClassPixels count_classes(const LabelMap& map) noexcept {
  // Four tables: neighbouring pixels mostly have the same class, and one counter would wait for its own last store.
  std::array<ClassPixels, 4> counts{};
  const std::size_t pixels = static_cast<std::size_t>(map.size.height) * static_cast<std::size_t>(map.size.width);
  for (std::size_t i = 0; i < pixels; ++i) ++counts[i % 4][map.labels[i]];
  for (std::size_t c = 0; c < 256; ++c) counts[0][c] += counts[1][c] + counts[2][c] + counts[3][c];
  return counts[0];
}

unsigned opacity_256ths(double opacity) noexcept {
  return static_cast<unsigned>(std::lround(std::min(std::max(opacity, 0.0), 1.0) * 256));
}

Canvas make_legend(const LabelMap& map, const Palette& palette, int width) {
  struct Entry {
    std::size_t label;
    std::string text;
    std::uint64_t pixels;
  };
  const ClassPixels counts = count_classes(map);
  const double total = static_cast<double>(map.size.height) * map.size.width;
  std::vector<Entry> entries;
  for (std::size_t c = 0; c < palette.colors.size(); ++c) {
    if (counts[c] == 0 || !palette.is_painted[c]) continue;
    char share[32];
    std::snprintf(share, sizeof(share), "  %.1f %%", 100.0 * static_cast<double>(counts[c]) / total);
    entries.push_back({c, palette.names[c] + share, counts[c]});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.pixels > b.pixels; });
  if (entries.empty()) entries.push_back({0, "none of the classes", 0});

  // Sizes grow with the picture: letters of 9 pixels on 480, of 18 on 960, of 27 on 1800.
  const int scale = std::max(1, (width + 300) / 600);
  const int swatch = 10 * scale, gap = 6 * scale, line = (k_text_height + 4) * scale, margin = 6 * scale;
  int entry_width = 0;
  for (const Entry& e : entries)
    entry_width = std::max(entry_width, swatch + gap + text_width(e.text, scale) + 2 * gap);
  const int columns = std::clamp((width - 2 * margin) / entry_width, 1, static_cast<int>(entries.size()));
  const int rows = (static_cast<int>(entries.size()) + columns - 1) / columns;
  Canvas canvas(Size{rows * line + 2 * margin, std::max(width, entry_width + 2 * margin)}, k_strip_background);
  const int column_width = (canvas.size.width - 2 * margin) / columns;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const int left = margin + static_cast<int>(i) % columns * column_width;
    const int top = margin + static_cast<int>(i) / columns * line;
    canvas.fill(left, top + scale, swatch, swatch, k_swatch_border);
    if (entries[i].pixels > 0) {
      canvas.fill(left + scale, top + 2 * scale, swatch - 2 * scale, swatch - 2 * scale,
                  palette.colors[entries[i].label]);
    }
    draw_text(canvas, left + swatch + gap, top + 2 * scale, entries[i].text, scale, k_strip_text);
  }
  return canvas;
}

Status encode_labels(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes) {
  PngPicture picture;
  picture.kind = PngKind::indexed;
  picture.size = map.size;
  picture.palette = palette.colors.data();
  picture.palette_size = std::min<std::size_t>(palette.colors.size(), 256);
  auto fill = [&](int y, std::uint8_t* row) { std::memcpy(row, map.row(y), static_cast<std::size_t>(map.size.width)); };
  return encode(picture, fill, bytes);
}

Status encode_color(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes, PictureFile file) {
  PngPicture picture;
  picture.size = map.size;
  std::array<Rgb, 256> colors{};  // unpainted: black
  for (std::size_t c = 0; c < std::min<std::size_t>(palette.colors.size(), 256); ++c) {
    if (palette.is_painted[c]) colors[c] = palette.colors[c];
  }
  auto fill = [&](int y, std::uint8_t* row) {
    const std::uint8_t* labels = map.row(y);
    for (int x = 0; x < map.size.width; ++x, row += 3) std::memcpy(row, colors[labels[x]].data(), 3);
  };
  return encode(picture, fill, bytes, file);
}

Status encode_overlay(const Image& photo, const LabelMap& map, const Palette& palette, double opacity,
                      const Canvas* legend, std::vector<std::uint8_t>& bytes, PictureFile file) {
  PngPicture picture;
  picture.photographic = true;
  picture.size = map.size;
  if (legend != nullptr) {
    picture.size.height += legend->size.height;
    picture.size.width = std::max(picture.size.width, legend->size.width);
  }
  std::array<unsigned, 256> alpha{};  // unpainted: 0
  std::array<Rgb, 256> colors{};
  for (std::size_t c = 0; c < std::min<std::size_t>(palette.colors.size(), 256); ++c) {
    alpha[c] = palette.is_painted[c] ? opacity_256ths(opacity) : 0;
    colors[c] = palette.colors[c];
  }
  const auto put_background = [&](std::uint8_t* row, int from) {
    for (int x = from; x < picture.size.width; ++x) std::memcpy(row + 3 * x, k_strip_background.data(), 3);
  };
  auto fill = [&](int y, std::uint8_t* row) {
    if (y >= map.size.height) {
      std::memcpy(row, legend->row(y - map.size.height), static_cast<std::size_t>(legend->size.width) * 3);
      put_background(row, legend->size.width);
      return;
    }
    const std::uint8_t* labels = map.row(y);
    const std::uint8_t* pixel = photo.row(y);
    const std::size_t step = pixel_bytes(photo.format), green = step == 3 ? 1 : 0, blue = step == 3 ? 2 : 0;
    std::uint8_t* to = row;
    for (int x = 0; x < map.size.width; ++x, to += 3, pixel += step) {
      const std::uint8_t label = labels[x];
      const Rgb& color = colors[label];
      to[0] = blend(pixel[0], color[0], alpha[label]);
      to[1] = blend(pixel[green], color[1], alpha[label]);
      to[2] = blend(pixel[blue], color[2], alpha[label]);
    }
    put_background(row, map.size.width);
  };
  return encode(picture, fill, bytes, file);
}

Status encode_confidence(Size size, const float* values, std::vector<std::uint8_t>& bytes) {
  PngPicture picture;
  picture.kind = PngKind::gray;
  picture.size = size;
  picture.photographic = true;
  auto fill = [&](int y, std::uint8_t* row) {
    const float* from = values + static_cast<std::size_t>(y) * static_cast<std::size_t>(size.width);
    for (int x = 0; x < size.width; ++x) {
      const float v = from[x];
      row[x] = static_cast<std::uint8_t>((v > 0 ? (v < 1 ? v : 1.0f) : 0.0f) * 255.0f + 0.5f);
    }
  };
  return encode(picture, fill, bytes);
}

}  // namespace lemore::cli
