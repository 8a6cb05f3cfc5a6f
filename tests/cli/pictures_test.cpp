#include "render/pictures.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>

#include "image_io/decode.h"
#include "npy.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using Bytes = std::vector<std::uint8_t>;

namespace {

const std::vector<ClassInfo> k_classes = {{"sky", {255, 0, 0}}, {"road", {0, 200, 10}}, {"car", {1, 2, 3}}};

Image decoded(const Bytes& png) {
  Image image, scratch;
  const Status status = decode_image(png.data(), png.size(), DecodeLimits(), image, scratch);
  INFO(status.message());
  REQUIRE(status.ok());
  return image;
}

Rgb pixel(const Image& image, int y, int x) {
  const std::uint8_t* p = image.row(y) + 3 * x;
  return {p[0], p[1], p[2]};
}

}  // namespace

TEST_CASE("blending is rounded and exact at both ends", "[pictures]") {
  for (int photo = 0; photo < 256; ++photo) {
    for (int color = 0; color < 256; color += 5) {
      const auto p = static_cast<std::uint8_t>(photo), c = static_cast<std::uint8_t>(color);
      REQUIRE(blend(p, c, opacity_256ths(0)) == photo);
      REQUIRE(blend(p, c, opacity_256ths(1)) == color);
      for (const double opacity : {0.25, 0.5, 0.75}) {
        REQUIRE(blend(p, c, opacity_256ths(opacity)) ==
                static_cast<int>(std::floor(photo + (color - photo) * opacity + 0.5)));
      }
    }
  }
}

TEST_CASE("labels, colour, overlay and confidence", "[pictures]") {
  const Image photo = gradient(2, 3);
  const Bytes labels = {0, 1, 2, 2, 1, 0};
  const LabelMap map{{2, 3}, labels.data()};
  Palette palette(k_classes);
  Bytes png;
  REQUIRE(encode_labels(map, palette, png).ok());
  CHECK(png[24] == 8);  // bit depth
  CHECK(png[25] == 3);  // indexed
  CHECK(pixel(decoded(png), 0, 1) == Rgb{0, 200, 10});

  palette.is_painted[1] = false;
  REQUIRE(encode_color(map, palette, png).ok());
  CHECK(pixel(decoded(png), 0, 0) == Rgb{255, 0, 0});
  CHECK(pixel(decoded(png), 0, 1) == Rgb{0, 0, 0});
  REQUIRE(encode_overlay(photo, map, palette, 1.0, nullptr, png).ok());
  CHECK(pixel(decoded(png), 1, 0) == Rgb{1, 2, 3});
  CHECK(pixel(decoded(png), 1, 1) == pixel(photo, 1, 1));

  const float values[6] = {0.0f, 0.5f, 1.0f, -1.0f, 2.0f, std::nanf("")};
  REQUIRE(encode_confidence({2, 3}, values, png).ok());
  const Image gray = decoded(png);
  CHECK(gray.format == PixelFormat::gray);
  CHECK(std::vector<int>(gray.row(0), gray.row(0) + 6) == std::vector<int>{0, 128, 255, 0, 255, 0});
}

TEST_CASE("the legend names what is there", "[pictures]") {
  const Bytes labels = {0, 1, 1, 1};
  const LabelMap map{{2, 2}, labels.data()};
  Palette palette(k_classes);
  const Canvas narrow = make_legend(map, palette, 2);
  CHECK(narrow.size.width > 60);  // an entry fits even below a tiny picture
  const Canvas wide = make_legend(map, palette, 480);
  CHECK(wide.size.width == 480);
  CHECK(wide.size.height < narrow.size.height);  // columns
  const auto has = [](const Canvas& canvas, const Rgb& color) {
    for (std::size_t i = 0; i + 2 < canvas.rgb.size(); i += 3) {
      if (std::memcmp(&canvas.rgb[i], color.data(), 3) == 0) return true;
    }
    return false;
  };
  CHECK(has(wide, {255, 0, 0}));
  CHECK(has(wide, {0, 200, 10}));
  CHECK_FALSE(has(wide, {1, 2, 3}));  // no car in it
  palette.is_painted.fill(false);
  CHECK_FALSE(has(make_legend(map, palette, 480), {255, 0, 0}));

  Image photo = gradient(2, 2);
  Bytes png;
  REQUIRE(encode_overlay(photo, map, palette, 0.5, &narrow, png).ok());
  CHECK(decoded(png).size == Size{2 + narrow.size.height, narrow.size.width});
}

TEST_CASE("text stands on the canvas whatever it holds", "[pictures]") {
  Canvas canvas({20, 30}, {0, 0, 0});
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  draw_text(canvas, -5, -3, all, 2, {255, 255, 255});
  draw_text(canvas, 25, 15, "ends outside", 3, {255, 255, 255});
  CHECK(text_width("abc", 2) == 2 * text_width("abc", 1));
  CHECK(text_width("\xC3\xA9", 1) == text_width("?", 1));
}

TEST_CASE("counting classes", "[pictures]") {
  const Bytes labels = {0, 0, 5, 255, 5, 5, 0};
  const ClassPixels counts = count_classes({{1, 7}, labels.data()});
  CHECK(counts[0] == 3);
  CHECK(counts[5] == 3);
  CHECK(counts[255] == 1);
}

TEST_CASE("npy has its data on a multiple of 64", "[npy]") {
  const float nhwc[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  Shape shape;
  std::vector<float> chw;
  channels_first(TensorView(nhwc, DType::f32, Shape{1, 2, 3, 2}, Layout::nhwc), shape, chw);
  CHECK(shape == Shape{2, 2, 3});
  CHECK(chw == std::vector<float>{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
  Bytes bytes;
  write_npy(shape, chw.data(), bytes);
  CHECK(bytes.size() == 128 + 48);
  CHECK(std::string(bytes.begin() + 10, bytes.begin() + 70) ==
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3),");
  CHECK(bytes[127] == '\n');
  CHECK(std::memcmp(bytes.data() + 128, chw.data(), 48) == 0);
  write_npy(Shape{7}, nhwc, bytes);
  CHECK(std::string(bytes.begin(), bytes.end()).find("(7,)") != std::string::npos);
}
