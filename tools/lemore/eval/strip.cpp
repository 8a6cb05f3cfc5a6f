#include "eval/strip.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "image_io/codec_png.h"

namespace lemore::cli {

namespace {

constexpr int k_gap = 4;  // pixels between the pictures
constexpr std::uint8_t k_gap_gray = 255;

using ColorTable = std::array<Rgb, 256>;

struct Painter {
  const Image& photo;
  const LabelMap &annotation, &prediction;
  ColorTable of_value{}, of_class{};  // black: ignored

  static void paint(const std::uint8_t* from, int width, const ColorTable& colors, std::uint8_t*& to) {
    for (int x = 0; x < width; ++x, to += 3) std::memcpy(to, colors[from[x]].data(), 3);
  }

  void fill_row(int y, std::uint8_t* to) const {
    const int width = photo.size.width;
    const std::uint8_t* pixel = photo.row(y);
    if (photo.format == PixelFormat::gray) {
      for (int x = 0; x < width; ++x, to += 3) std::memset(to, pixel[x], 3);
    } else {
      std::memcpy(to, pixel, static_cast<std::size_t>(width) * 3);
      to += static_cast<std::size_t>(width) * 3;
    }
    const auto gap = [&] {
      std::memset(to, k_gap_gray, k_gap * 3);
      to += k_gap * 3;
    };
    gap();
    paint(annotation.row(y), width, of_value, to);
    gap();
    paint(prediction.row(y), width, of_class, to);
  }
};

}  // namespace

Status encode_strip(const Image& photo, const LabelMap& annotation, const LabelMap& prediction,
                    const LabelValues& values, const Palette& palette, std::vector<std::uint8_t>& bytes) {
  Painter painter{photo, annotation, prediction, {}, {}};
  const std::size_t classes = std::min<std::size_t>(palette.colors.size(), 256);
  std::copy_n(palette.colors.begin(), classes, painter.of_class.begin());
  for (int value = 0; value < 256; ++value) {
    const int index = values.class_of(static_cast<std::uint8_t>(value));
    if (index < 0) continue;
    painter.of_value[static_cast<std::size_t>(value)] = painter.of_class[static_cast<std::size_t>(index)];
  }
  PictureRows picture;
  picture.photographic = true;
  picture.size = {photo.size.height, 3 * photo.size.width + 2 * k_gap};
  picture.context = &painter;
  picture.fill_row = [](void* context, int y, std::uint8_t* row) { static_cast<Painter*>(context)->fill_row(y, row); };
  return encode_png(picture, bytes);
}

}  // namespace lemore::cli
