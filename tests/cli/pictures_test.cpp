#include "render/pictures.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>

#include "image_io/decode.h"
#include "npy.h"
#include "support/files.h"
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
  REQUIRE(encode_overlay(photo, map, palette, {1.0, false}, nullptr, png).ok());
  CHECK(pixel(decoded(png), 1, 0) == palette.overlay[2]);
  CHECK(pixel(decoded(png), 1, 1) == pixel(photo, 1, 1));
  REQUIRE(encode_overlay(photo, map, palette, {0.0, true}, nullptr, png).ok());
  CHECK(pixel(decoded(png), 1, 0) == pixel(photo, 1, 0));  // nothing is painted at opacity 0

  const float values[6] = {0.0f, 0.5f, 1.0f, -1.0f, 2.0f, std::nanf("")};
  REQUIRE(encode_confidence({2, 3}, values, png).ok());
  const Image gray = decoded(png);
  CHECK(gray.format == PixelFormat::gray);
  CHECK(std::vector<int>(gray.row(0), gray.row(0) + 6) == std::vector<int>{0, 128, 255, 0, 255, 0});
}

TEST_CASE("outlines are drawn on both sides of a border", "[pictures]") {
  Bytes labels(5 * 6, 0);
  for (int y = 0; y < 5; ++y)
    for (int x = 3; x < 6; ++x) labels[static_cast<std::size_t>(y * 6 + x)] = 1;
  const Image photo = gradient(5, 6);
  const Palette palette(k_classes);
  Bytes plain, lined;
  const LabelMap map{{5, 6}, labels.data()};
  REQUIRE(encode_overlay(photo, map, palette, {0.25, false}, nullptr, plain).ok());
  REQUIRE(encode_overlay(photo, map, palette, {0.25, true}, nullptr, lined).ok());
  for (int x = 0; x < 6; ++x) {
    const bool is_border = x == 2 || x == 3;
    CHECK(pixel(decoded(lined), 2, x) == (is_border ? palette.overlay[x / 3] : pixel(decoded(plain), 2, x)));
  }
}

TEST_CASE("uncertain pixels are not painted", "[pictures]") {
  const Image photo = gradient(1, 4);
  const Bytes labels = {0, 0, 1, 1};
  const float confidence[4] = {0.9f, 0.49f, 0.5f, 0.0f};
  const Palette palette(k_classes);
  const LabelMap map{{1, 4}, labels.data(), confidence, 0.5f};
  Bytes png;
  REQUIRE(encode_color(map, palette, png).ok());
  CHECK(pixel(decoded(png), 0, 0) == palette.colors[0]);
  CHECK(pixel(decoded(png), 0, 1) == Rgb{0, 0, 0});
  CHECK(pixel(decoded(png), 0, 2) == palette.colors[1]);
  CHECK(pixel(decoded(png), 0, 3) == Rgb{0, 0, 0});
  REQUIRE(encode_overlay(photo, map, palette, {1.0, false}, nullptr, png).ok());
  CHECK(pixel(decoded(png), 0, 1) == pixel(photo, 0, 1));
  CHECK(pixel(decoded(png), 0, 2) == palette.overlay[1]);
}

TEST_CASE("a label map may hold values without a class", "[pictures]") {
  const Bytes labels = {0, 2, 11, 255};
  Bytes png;
  REQUIRE(encode_labels({{1, 4}, labels.data()}, Palette(k_classes), png).ok());
  const Image image = decoded(png);  // a decoder refuses a value beyond the palette
  CHECK(pixel(image, 0, 1) == Rgb{1, 2, 3});
  CHECK(pixel(image, 0, 2) == Rgb{0, 0, 0});
  CHECK(pixel(image, 0, 3) == Rgb{0, 0, 0});
}

namespace {

bool has(const Canvas& canvas, const Rgb& color) {
  for (std::size_t i = 0; i + 2 < canvas.rgb.size(); i += 3)
    if (std::memcmp(&canvas.rgb[i], color.data(), 3) == 0) return true;
  return false;
}

Lettering without_fonts(const std::vector<std::string>& texts) {
  Result<Lettering> lettering = Lettering::create("", texts, {});
  REQUIRE(lettering.ok());
  return std::move(*lettering);
}

}  // namespace

TEST_CASE("the legend names what is there", "[pictures]") {
  const Bytes labels = {0, 1, 1, 1};
  LabelMap map{{2, 2}, labels.data()};
  Palette palette(k_classes);
  const Lettering lettering = without_fonts(palette.names);
  const Canvas narrow = make_legend(map, palette, 2, lettering);
  CHECK(narrow.size.width > 60);  // an entry fits even below a tiny picture
  const Canvas wide = make_legend(map, palette, 480, lettering);
  CHECK(wide.size.width == 480);
  CHECK(wide.size.height < narrow.size.height);  // columns
  CHECK(has(wide, palette.overlay[0]));
  CHECK(has(wide, palette.overlay[1]));
  CHECK_FALSE(has(wide, palette.overlay[2]));  // no car in it
  const float confidence[4] = {1, 0, 0, 0};
  map.confidence = confidence;
  map.min_confidence = 0.5f;
  CHECK(has(make_legend(map, palette, 480, lettering), palette.overlay[0]));
  CHECK_FALSE(has(make_legend(map, palette, 480, lettering), palette.overlay[1]));
  map.confidence = nullptr;
  palette.is_painted.fill(false);
  CHECK_FALSE(has(make_legend(map, palette, 480, lettering), palette.overlay[0]));

  palette = Palette({{std::string(100000, 'x'), {}}, {"", {}}, {"b", {}}});
  CHECK(make_legend(map, palette, 480, lettering).size.width < 2000);  // a name is cut

  Image photo = gradient(2, 2);
  Bytes png;
  REQUIRE(encode_overlay(photo, map, palette, {}, &narrow, png).ok());
  CHECK(decoded(png).size == Size{2 + narrow.size.height, narrow.size.width});
}

TEST_CASE("text stands on the canvas whatever it holds", "[text]") {
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  all += "\xC3\xA9 \xD0\x96 \xE9\x81\x93 \xF0\x9F\x9A\x97 \xEF\xBF\xBD";
  Result<Lettering> of_machine = Lettering::create("", {all});
  REQUIRE(of_machine.ok());
  const Lettering built_in = without_fonts({all});
  CHECK_FALSE(built_in.has_font());
  for (const Lettering* lettering : std::initializer_list<const Lettering*>{&*of_machine, &built_in}) {
    Canvas canvas({20, 30}, {0, 0, 0});
    lettering->draw(canvas, -5, -3, all, 24, {255, 255, 255});
    lettering->draw(canvas, 25, 15, "ends outside", 36, {255, 255, 255});
    lettering->draw(canvas, 0, 0, "", 1, {255, 255, 255});
    CHECK(has(canvas, {255, 255, 255}));
    CHECK(lettering->width("", 20) == 0);
    CHECK(lettering->width("abc", 40) > lettering->width("abc", 20));
    CHECK(lettering->width("ab", 20) > lettering->width("a", 20));
  }
}

TEST_CASE("missing characters are named", "[text]") {
  CHECK(without_fonts({"road"}).missing().empty());
  CHECK(without_fonts({"Stra\xC3\x9F"
                       "e",
                       "\xE9\x81\x93"})
            .missing() == "\xC3\x9F\xE9\x81\x93");
  std::string many;
  for (int i = 0; i < 64; ++i) many += "\xD0" + std::string(1, static_cast<char>(0x80 + i));
  const std::string missing = without_fonts({many}).missing();
  CHECK(missing.size() == 20 * 2 + 3);
}

TEST_CASE("a machine's font draws Latin, Greek and Cyrillic", "[text]") {
  const Result<Lettering> lettering = Lettering::create("", {"road"});
  REQUIRE(lettering.ok());
  if (!lettering->has_font()) {
    WARN("skipped: this machine has no font");
    return;
  }
  const std::vector<std::string> names = {
      "Stra\xC3\x9F"
      "e",
      "\xCE\xB4\xCF\x81\xCF\x8C\xCE\xBC\xCE\xBF\xCF\x82", "\xD0\xB4\xD0\xBE\xD0\xBC"};
  const Result<Lettering> all = Lettering::create("", names);
  REQUIRE(all.ok());
  CHECK(all->missing().empty());
  std::vector<Bytes> drawn;
  for (const std::string& name : names) {
    Canvas canvas({30, 120}, {0, 0, 0});
    all->draw(canvas, 2, 2, name, 24, {255, 255, 255});
    CHECK(has(canvas, {255, 255, 255}));
    drawn.push_back(canvas.rgb);
  }
  CHECK(drawn[0] != drawn[1]);
  CHECK(drawn[1] != drawn[2]);
}

TEST_CASE("damaged fonts are refused or drawn, never more", "[text]") {
  const test::TempFile text("not a font", ".ttf");
  const Result<Lettering> refused = Lettering::create(text.path(), {"road"}, {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message().find("not a font") != std::string::npos);
  CHECK(Lettering::create("/no such font", {}, {}).status().code() == StatusCode::io_error);
  CHECK_FALSE(Lettering::create("/dev/null", {}, {}).ok());

  std::string good;
  for (const std::string& folder : Lettering::font_folders())
    if (good.empty()) good = test::read_file(folder + "/truetype/dejavu/DejaVuSans.ttf");
  if (good.empty()) {
    WARN("skipped: DejaVu Sans is not here to be damaged");
    return;
  }
  unsigned seed = 1;
  const auto next = [&seed] { return (seed = seed * 1664525u + 1013904223u) >> 8; };
  for (int round = 0; round < 60; ++round) {
    std::string bytes = good;
    if (round % 3 == 0) bytes.resize(next() % bytes.size());
    for (unsigned i = 0; i < 20 && !bytes.empty(); ++i)  // the tables' headers lie at the beginning
      bytes[next() % (i % 2 == 0 ? std::min<std::size_t>(bytes.size(), 2000) : bytes.size())] =
          static_cast<char>(next());
    const test::TempFile file(bytes, ".ttf");
    const Result<Lettering> lettering = Lettering::create(file.path(), {"road"}, {});
    if (!lettering.ok()) continue;
    Canvas canvas({40, 200}, {0, 0, 0});
    lettering->draw(canvas, 0, 0, "road \xD0\xB4 99.5 %", 28, {255, 255, 255});
    CHECK(lettering->width("road", 28) >= 0);
  }
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
