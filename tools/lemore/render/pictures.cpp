#include "render/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "image_io/codec_jpeg.h"
#include "image_io/codec_png.h"
#include "report.h"

namespace lemore::cli {

namespace {

constexpr Rgb k_strip_background = {24, 24, 28}, k_strip_text = {240, 240, 240}, k_strip_figures = {170, 170, 175};

constexpr Rgb k_unpainted = {0, 0, 0};

/// Characters of a class name that a legend shows.
constexpr std::size_t k_max_name = 40;

/// Adapts a lambda that fills a row to PictureRows's function and context.
template <typename FillRow>
Status encode(PictureRows picture, FillRow& fill_row, std::vector<std::uint8_t>& bytes,
              PictureFile file = PictureFile::png) {
  picture.context = &fill_row;
  picture.fill_row = [](void* context, int y, std::uint8_t* row) { (*static_cast<FillRow*>(context))(y, row); };
  return file == PictureFile::jpeg ? encode_jpeg(picture, bytes) : encode_png(picture, bytes);
}

}  // namespace

namespace {

/// A name as a legend has room for.
std::string shortened(const std::string& name) {
  std::string_view left = name;
  for (std::size_t n = 0; !left.empty(); ++n) {
    if (n == k_max_name) return name.substr(0, name.size() - left.size()) + "...";
    left.remove_prefix(first_character(left).bytes);
  }
  return name;
}

}  // namespace

Palette::Palette(const std::vector<ClassInfo>& classes) {
  for (const ClassInfo& c : classes) {
    colors.push_back(c.color);
    names.push_back(c.name);
  }
  overlay = distinct_colors(colors, names);
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

Canvas make_legend(const LabelMap& map, const Palette& palette, int width, const Lettering& lettering) {
  struct Entry {
    Rgb color;
    std::string name, share;
    std::uint64_t pixels;
  };
  const double total = static_cast<double>(map.size.height) * map.size.width;
  ClassPixels counts{};
  std::uint64_t uncertain = 0;
  for (int y = 0; y < map.size.height; ++y) {
    const std::uint8_t* labels = map.row(y);
    for (int x = 0; x < map.size.width; ++x) {
      const bool is_certain = map.is_certain(y, x);
      counts[labels[x]] += is_certain ? 1 : 0;
      uncertain += is_certain ? 0 : 1;
    }
  }
  const auto share_of = [&](std::uint64_t pixels) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f %%", 100.0 * static_cast<double>(pixels) / total);
    return std::string(text);
  };
  std::vector<Entry> entries;
  for (std::size_t c = 0; c < palette.colors.size(); ++c) {
    if (counts[c] > 0 && palette.is_painted[c])
      entries.push_back({palette.overlay[c], shortened(palette.names[c]), share_of(counts[c]), counts[c]});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.pixels > b.pixels; });
  if (entries.empty()) entries.push_back({k_strip_background, "none of the classes", "", 0});
  if (uncertain > 0) entries.push_back({k_strip_background, "uncertain", share_of(uncertain), uncertain});

  // Letters grow with the picture: 14 pixels high up to a width of 670, 40 at 1920.
  const int text = std::clamp(width / 48, 14, 96);
  const int swatch = text * 3 / 4, gap = text / 2, line = text * 3 / 2, margin = text * 2 / 3;
  int name_width = 0, share_width = 0;
  for (const Entry& e : entries) {
    name_width = std::max(name_width, lettering.width(e.name, text));
    share_width = std::max(share_width, lettering.width(e.share, text));
  }
  const int entry_width = swatch + gap + name_width + gap + share_width;
  const int between = 2 * text;
  const int columns = std::clamp((width - 2 * margin + between) / (entry_width + between), 1,
                                 static_cast<int>(std::min<std::size_t>(entries.size(), 64)));
  const int rows = (static_cast<int>(entries.size()) + columns - 1) / columns;
  Canvas canvas(Size{rows * line + 2 * margin, std::max(width, entry_width + 2 * margin)}, k_strip_background);
  const int column_width = (canvas.size.width - 2 * margin + between) / columns;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    // Down the columns: the most frequent classes stand below each other on the left.
    const int left = margin + static_cast<int>(i) / rows * column_width;
    const int top = margin + static_cast<int>(i) % rows * line + (line - text) / 2;
    const Entry& e = entries[i];
    const int border = std::max(1, text / 14);
    canvas.fill(left, top + (text - swatch) / 2, swatch, swatch,
                e.color == k_strip_background ? k_strip_figures : e.color);
    if (e.color == k_strip_background)  // an empty field, for nothing is painted
      canvas.fill(left + border, top + (text - swatch) / 2 + border, swatch - 2 * border, swatch - 2 * border, e.color);
    lettering.draw(canvas, left + swatch + gap, top, e.name, text, k_strip_text);
    const int share_left = left + entry_width - lettering.width(e.share, text);
    lettering.draw(canvas, share_left, top, e.share, text, k_strip_figures);
  }
  return canvas;
}

Status encode_labels(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes) {
  std::array<Rgb, 256> colors{};  // values without a class (of ignored pixels): black
  std::size_t size = std::min<std::size_t>(palette.colors.size(), colors.size());
  std::copy_n(palette.colors.begin(), size, colors.begin());
  for (int y = 0; y < map.size.height; ++y) {
    const std::uint8_t* row = map.row(y);
    size = std::max<std::size_t>(size, *std::max_element(row, row + map.size.width) + std::size_t{1});
  }
  PictureRows picture;
  picture.kind = PictureKind::indexed;
  picture.size = map.size;
  picture.palette = colors.data();
  picture.palette_size = size;
  auto fill = [&](int y, std::uint8_t* row) { std::memcpy(row, map.row(y), static_cast<std::size_t>(map.size.width)); };
  return encode(picture, fill, bytes);
}

Status encode_color(const LabelMap& map, const Palette& palette, std::vector<std::uint8_t>& bytes, PictureFile file) {
  PictureRows picture;
  picture.size = map.size;
  std::array<Rgb, 256> colors{};  // unpainted: black
  for (std::size_t c = 0; c < std::min<std::size_t>(palette.colors.size(), 256); ++c) {
    if (palette.is_painted[c]) colors[c] = palette.colors[c];
  }
  auto fill = [&](int y, std::uint8_t* row) {
    const std::uint8_t* labels = map.row(y);
    for (int x = 0; x < map.size.width; ++x, row += 3)
      std::memcpy(row, map.is_certain(y, x) ? colors[labels[x]].data() : k_unpainted.data(), 3);
  };
  return encode(picture, fill, bytes, file);
}

namespace {

/// Whether another region begins within `reach` pixels, along the row or the column. The edge does not count.
bool is_border(const LabelMap& map, int y, int x, int reach) noexcept {
  const std::uint8_t label = map.row(y)[x];
  const auto differs = [&](int other_y, int other_x) {
    if (other_y < 0 || other_x < 0 || other_y >= map.size.height || other_x >= map.size.width) return false;
    return map.row(other_y)[other_x] != label || !map.is_certain(other_y, other_x);
  };
  for (int d = 1; d <= reach; ++d)
    if (differs(y, x - d) || differs(y, x + d) || differs(y - d, x) || differs(y + d, x)) return true;
  return false;
}

}  // namespace

Status encode_overlay(const Image& photo, const LabelMap& map, const Palette& palette, const OverlayStyle& style,
                      const Canvas* legend, std::vector<std::uint8_t>& bytes, PictureFile file) {
  PictureRows picture;
  picture.photographic = true;
  picture.size = map.size;
  if (legend != nullptr) {
    picture.size.height += legend->size.height;
    picture.size.width = std::max(picture.size.width, legend->size.width);
  }
  std::array<unsigned, 256> alpha{};  // unpainted: 0
  std::array<Rgb, 256> colors{};
  for (std::size_t c = 0; c < std::min<std::size_t>(palette.colors.size(), 256); ++c) {
    alpha[c] = palette.is_painted[c] ? opacity_256ths(style.opacity) : 0;
    colors[c] = palette.overlay[c];
  }
  // Thin on a small picture, still seen on a large one.
  const int thickness = style.has_outlines ? std::max(1, std::min(map.size.height, map.size.width) / 500) : 0;
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
      unsigned opacity = map.is_certain(y, x) ? alpha[label] : 0;
      if (opacity > 0 && thickness > 0 && is_border(map, y, x, thickness)) opacity = 256;
      to[0] = blend(pixel[0], color[0], opacity);
      to[1] = blend(pixel[green], color[1], opacity);
      to[2] = blend(pixel[blue], color[2], opacity);
    }
    put_background(row, map.size.width);
  };
  return encode(picture, fill, bytes, file);
}

Status encode_confidence(Size size, const float* values, std::vector<std::uint8_t>& bytes) {
  PictureRows picture;
  picture.kind = PictureKind::gray;
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
