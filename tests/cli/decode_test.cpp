#include "image_io/decode.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "decode_checks.h"
#include "image_io/codec_jpeg.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

}  // namespace

/// Most memory that this process has had mapped.
std::size_t peak_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmPeak:", 0) == 0) return std::stoul(line.substr(7));
  return 0;
}

TEST_CASE("an EXIF block of a PNG takes no memory beyond the file", "[codec]") {
  Bytes png = as_png(gradient(5, 7));
  const auto behind_header = png.begin() + 8 + 25;
  png.insert(behind_header, {0x7F, 0xFF, 0xFF, 0xFF, 'e', 'X', 'I', 'f', 'M', 'M', 0, 42});
  Image image;
  const std::size_t before = peak_kilobytes();
  CHECK(decode(png, image).message() == "damaged PNG: the file is cut short");
  CHECK(peak_kilobytes() - before < 1000 * 1000);
}

TEST_CASE("a PNG comes back as it was", "[codec]") {
  const Image original = gradient(5, 7);
  Image image;
  REQUIRE(decode(as_png(original), image).ok());
  CHECK(image.format == PixelFormat::rgb);
  CHECK(image.size == Size{5, 7});
  CHECK(pixels_of(image) == pixels_of(original));
}

TEST_CASE("damaged files are refused in one line", "[codec]") {
  const Image original = gradient(9, 11);
  SECTION("PNG") { mistreat(as_png(original), 0); }
  SECTION("JPEG") { mistreat(as_jpeg(original.pixels.data(), 9, 11, 3), 2); }
  SECTION("progressive JPEG") { mistreat(as_jpeg(original.pixels.data(), 9, 11, 3, {}, JpegKind::progressive), 2); }
  SECTION("JPEG with restart markers") {
    mistreat(as_jpeg(original.pixels.data(), 9, 11, 3, {}, JpegKind::restarts), 2);
  }
  SECTION("JPEG with a scan a component") {
    mistreat(as_jpeg(original.pixels.data(), 9, 11, 3, {}, JpegKind::planes), 2);
  }
  SECTION("arithmetic JPEG") { mistreat(as_jpeg(original.pixels.data(), 9, 11, 3, {}, JpegKind::arithmetic), 0); }
  SECTION("CMYK JPEG") {
    const Bytes ink(9 * 8 * 4, 100);
    mistreat(as_jpeg(ink.data(), 9, 8, 4), 2);
  }
  SECTION("binary PNM") { mistreat(bytes_of("P6\n# a comment\n2 2\n255\n" + std::string(12, 'a')), 0); }
  SECTION("plain PNM") { mistreat(bytes_of("P2 3 2 9 1 2 3 4 5 6"), 1); }
  SECTION("BMP") {
    Bytes bmp(54 + 8, 0);
    bmp[0] = 'B', bmp[1] = 'M', bmp[10] = 54, bmp[14] = 40, bmp[18] = 2, bmp[22] = 1, bmp[26] = 1, bmp[28] = 24;
    mistreat(bmp, 0);
  }
}

TEST_CASE("a file is what its content says", "[codec]") {
  Image image;
  const auto message = [&](const std::string& text) { return decode(bytes_of(text), image).message(); };
  CHECK(message("") == "the file is empty");
  CHECK(message("hello") == "not an image (JPEG, PNG, WebP, TIFF, BMP or PNM)");
  CHECK(message("<html>") == "not an image (JPEG, PNG, WebP, TIFF, BMP or PNM)");
  CHECK(message("GIF89a______") == "GIF is not supported");
  CHECK(message(std::string("\0\0\0\x18"
                            "ftypavif",
                            12)) == "AVIF is not supported");
}

TEST_CASE("sizes are checked before memory is taken", "[codec]") {
  const DecodeLimits limits;
  CHECK(check_image_size(1, 1, limits).ok());
  CHECK(check_image_size(65535, 4096, limits).ok());
  CHECK_FALSE(check_image_size(65535, 4097, limits).ok());
  CHECK_FALSE(check_image_size(0, 5, limits).ok());
  CHECK_FALSE(check_image_size(65536, 1, limits).ok());
  CHECK_FALSE(check_image_size(std::uint64_t{1} << 40, std::uint64_t{1} << 40, limits).ok());
  Image image;
  DecodeLimits small;
  small.max_pixels = 34;
  CHECK(decode(as_png(gradient(5, 7)), image, small).message() ==
        "the image declares 7x5 = 35 pixels; the limit is 34 (--max-pixels)");
  // Little data behind a large header, in formats whose size follows from the data.
  CHECK_FALSE(decode(bytes_of("P6 16000 16000 255\nab"), image).ok());
  CHECK_FALSE(decode(bytes_of("P1 16000 16000 1"), image).ok());
}

TEST_CASE("gray JPEG stays gray, CMYK follows Adobe's convention", "[codec]") {
  const Bytes gray(8 * 8, 77);
  Image image;
  REQUIRE(decode(as_jpeg(gray.data(), 8, 8, 1), image).ok());
  CHECK(image.format == PixelFormat::gray);
  CHECK(pixels_of(image) == std::vector<int>(64, 77));

  Bytes ink(8 * 8 * 4);
  for (std::size_t i = 0; i < ink.size(); i += 4) {
    ink[i] = 255, ink[i + 1] = 128, ink[i + 2] = 0, ink[i + 3] = 200;  // inverted: no cyan, half magenta, all yellow
  }
  REQUIRE(decode(as_jpeg(ink.data(), 8, 8, 4), image).ok());
  CHECK(image.format == PixelFormat::rgb);
  const std::uint8_t* p = image.row(3) + 9;
  CHECK(std::abs(p[0] - 200) <= 1);
  CHECK(std::abs(p[1] - 100) <= 1);  // 128 * 200 / 255
  CHECK(std::abs(p[2] - 0) <= 1);
}

TEST_CASE("PNM in all its six kinds", "[codec]") {
  Image image;
  const auto check = [&](const std::string& text, PixelFormat format, const std::vector<int>& expected) {
    INFO(text);
    REQUIRE(decode(bytes_of(text), image).ok());
    CHECK(image.format == format);
    CHECK(pixels_of(image) == expected);
  };
  check("P1\n3 1\n101", PixelFormat::gray, {0, 255, 0});
  check(std::string("P4\n3 1\n\xA0", 8), PixelFormat::gray, {0, 255, 0});
  check("P2 2 1 # deep\n4\n0 3", PixelFormat::gray, {0, 191});
  check(std::string("P5 2 1 65535 \x80\x00\xFF\xFF", 17), PixelFormat::gray, {128, 255});
  check("P3 1 1 15 0 5 15", PixelFormat::rgb, {0, 85, 255});
  check("P6 1 1 255\nabc", PixelFormat::rgb, {'a', 'b', 'c'});
  CHECK(decode(bytes_of("P2 1 1 4 5"), image).message() == "damaged PNM: a sample is above the largest value");
  CHECK(decode(bytes_of("P5 2 1 0\nab"), image).message() == "damaged PNM: the largest value must be 1 to 65535");
}

TEST_CASE("BMP: bottom row first, padded rows", "[codec]") {
  Bytes bmp(54 + 16, 0);
  bmp[0] = 'B', bmp[1] = 'M', bmp[10] = 54, bmp[14] = 40, bmp[18] = 2, bmp[22] = 2, bmp[26] = 1, bmp[28] = 24;
  const Bytes rows = {1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0};
  std::copy(rows.begin(), rows.end(), bmp.begin() + 54);
  Image image;
  REQUIRE(decode(bmp, image).ok());
  CHECK(pixels_of(image) == std::vector<int>{9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4});
}

TEST_CASE("BMP with a palette: every entry counts, behind the short header of OS/2 too", "[codec]") {
  const auto file = [](std::size_t header, unsigned bits, std::size_t entries, const Bytes& row) {
    const std::size_t entry = header == 12 ? 3 : 4, pixels_at = 14 + header + entries * entry;
    Bytes bmp(pixels_at, 0);
    bmp[0] = 'B', bmp[1] = 'M', bmp[14] = static_cast<std::uint8_t>(header);
    bmp[10] = static_cast<std::uint8_t>(pixels_at), bmp[11] = static_cast<std::uint8_t>(pixels_at >> 8);
    const auto width = static_cast<std::uint8_t>(row.size() * 8 / bits);
    const std::size_t wide = header == 12 ? 2 : 4;  // bytes of width and height
    bmp[18] = width, bmp[18 + wide] = 1, bmp[18 + 2 * wide] = 1, bmp[20 + 2 * wide] = static_cast<std::uint8_t>(bits);
    for (std::size_t i = 0; i < entries; ++i) {
      bmp[14 + header + entry * i] = static_cast<std::uint8_t>(i);             // blue
      bmp[14 + header + entry * i + 1] = static_cast<std::uint8_t>(255 - i);   // green
      bmp[14 + header + entry * i + 2] = static_cast<std::uint8_t>(i ^ 0x55);  // red
    }
    bmp.insert(bmp.end(), row.begin(), row.end());
    return bmp;
  };
  const auto color = [](int i) { return std::vector<int>{i ^ 0x55, 255 - i, i}; };
  const auto colors = [&](const std::vector<int>& indices) {
    std::vector<int> all;
    for (const int i : indices) {
      const std::vector<int> one = i < 0 ? std::vector<int>(3, 0) : color(i);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  };
  Image image;
  for (const std::size_t header : {12, 40, 124}) {
    INFO("a header of " << header << " bytes");
    REQUIRE(decode(file(header, 8, 256, {0, 251, 252, 255}), image).ok());
    CHECK(pixels_of(image) == colors({0, 251, 252, 255}));
    REQUIRE(decode(file(header, 4, 16, {0x0C, 0xDF, 0, 0}), image).ok());
    CHECK(pixels_of(image) == colors({0, 12, 13, 15, 0, 0, 0, 0}));
    REQUIRE(decode(file(header, 1, 2, {0xA0, 0, 0, 0}), image).ok());
    std::vector<int> bits(32, 0);
    bits[0] = bits[2] = 1;
    CHECK(pixels_of(image) == colors(bits));
    REQUIRE(decode(file(header, 8, 3, {2, 3, 255, 0}), image).ok());
    CHECK(pixels_of(image) == colors({2, -1, -1, 0}));  // beyond the palette: black
    CHECK(decode(file(header, 8, 0, {0, 0, 0, 0}), image).message() == "damaged BMP: no valid palette");
    CHECK(decode(file(header, 8, 257, {0, 0, 0, 0}), image).message() == "damaged BMP: no valid palette");
    CHECK(decode(file(header, 2, 4, {0, 0, 0, 0}), image).message() == "damaged BMP: 2 bits a pixel");
  }
}

TEST_CASE("pictures are written as JPEG, in the colours they have as PNG", "[codec]") {
  static const std::array<std::uint8_t, 3> palette[] = {{10, 200, 30}, {250, 0, 90}};
  for (const PictureKind kind : {PictureKind::gray, PictureKind::indexed, PictureKind::rgb}) {
    PictureRows picture;
    picture.kind = kind;
    picture.size = {16, 21};
    picture.palette = palette;
    picture.palette_size = 2;
    picture.context = &picture;
    picture.fill_row = [](void* context, int y, std::uint8_t* row) {
      const auto& self = *static_cast<const PictureRows*>(context);
      for (int x = 0; x < self.size.width; ++x) {
        const int place = y / 8;  // two flat bands: the error of the transform is small
        if (self.kind == PictureKind::rgb) {
          for (std::size_t c = 0; c < 3; ++c) row[3 * x + c] = palette[place][c];
        } else {
          row[x] = static_cast<std::uint8_t>(self.kind == PictureKind::gray ? 200 * place + 20 : place);
        }
      }
    };
    Bytes png, jpeg;
    REQUIRE(encode_png(picture, png).ok());
    REQUIRE(encode_jpeg(picture, jpeg).ok());
    Image as_png, as_jpeg;
    REQUIRE(decode(png, as_png).ok());
    REQUIRE(decode(jpeg, as_jpeg).ok());
    CHECK(std::string(sniff_format(jpeg.data(), jpeg.size()).name) == "JPEG");
    REQUIRE(as_jpeg.size == as_png.size);
    REQUIRE(as_jpeg.format == as_png.format);
    const std::vector<int> expected = pixels_of(as_png), got = pixels_of(as_jpeg);
    for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(std::abs(got[i] - expected[i]) <= 6);
  }
  PictureRows huge;
  huge.size = {1, 65501};
  Bytes bytes;
  CHECK(encode_jpeg(huge, bytes).message() == "a JPEG has at most 65500 pixels a side, the picture has 65501x1");
}

TEST_CASE("a JPEG that lacks only its end marker is read, with a warning", "[codec]") {
  const Image original = gradient(67, 90);
  for (const JpegKind kind : {JpegKind::baseline, JpegKind::restarts, JpegKind::progressive, JpegKind::planes}) {
    INFO(static_cast<int>(kind));
    const Bytes whole = as_jpeg(original.pixels.data(), 67, 90, 3, {}, kind);
    Image expected, image;
    REQUIRE(decode(whole, expected).ok());
    CHECK(expected.warning.empty());
    for (std::ptrdiff_t missing = 1; missing <= 2; ++missing) {
      REQUIRE(decode(Bytes(whole.begin(), whole.end() - missing), image).ok());
      CHECK(image.warning == "the JPEG lacks its end marker; all pixels are there");
      CHECK(pixels_of(image) == pixels_of(expected));
    }
    // Cut in the pixels, and filled up again as file systems do after a crash or downloads before they are complete.
    for (const std::uint8_t filling : Bytes{0, 255}) {
      for (const std::size_t cut : {whole.size() / 2, whole.size() - 40}) {
        Bytes filled = whole;
        std::fill(filled.begin() + static_cast<std::ptrdiff_t>(cut), filled.end(), filling);
        filled.resize(whole.size() + 10000, filling);
        CHECK_FALSE(decode(filled, image).ok());
      }
    }
  }
  // The warning goes with a picture that is turned, and does not stay for the next one.
  const Bytes exif = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 18, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0};
  Bytes turned = as_jpeg(original.pixels.data(), 67, 90, 3, exif);
  Image image, scratch;
  REQUIRE(decode_image(turned.data(), turned.size() - 2, DecodeLimits(), image, scratch).ok());
  CHECK(image.size == Size{90, 67});
  CHECK_FALSE(image.warning.empty());
  REQUIRE(decode_image(turned.data(), turned.size(), DecodeLimits(), image, scratch).ok());
  CHECK(image.warning.empty());
}
