// WebP as libwebp writes it.
#include <webp/encode.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "decode_checks.h"
#include "image_io/exif.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes taken(std::uint8_t* bytes, std::size_t size) {
  REQUIRE(size > 0);
  const Bytes file(bytes, bytes + size);
  WebPFree(bytes);
  return file;
}

Bytes lossless(const Image& image) {
  std::uint8_t* out = nullptr;
  const std::size_t size = WebPEncodeLosslessRGB(image.pixels.data(), image.size.width, image.size.height,
                                                 static_cast<int>(image.row_bytes()), &out);
  return taken(out, size);
}

void put(Bytes& to, std::size_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

void put_chunk(Bytes& to, const char* name, const Bytes& content) {
  to.insert(to.end(), name, name + 4);
  put(to, content.size(), 4);
  to.insert(to.end(), content.begin(), content.end());
  if (content.size() % 2 != 0) to.push_back(0);
}

Bytes riff(const Bytes& chunks) {
  Bytes file = {'R', 'I', 'F', 'F'};
  put(file, chunks.size() + 4, 4);
  file.insert(file.end(), {'W', 'E', 'B', 'P'});
  file.insert(file.end(), chunks.begin(), chunks.end());
  return file;
}

Bytes extended(std::uint8_t flags, int height, int width) {
  Bytes content = {flags, 0, 0, 0};
  put(content, static_cast<std::size_t>(width - 1), 3);
  put(content, static_cast<std::size_t>(height - 1), 3);
  Bytes chunk;
  put_chunk(chunk, "VP8X", content);
  return chunk;
}

/// The picture's own chunk, without the file's header.
Bytes picture_chunk(const Bytes& file) { return Bytes(file.begin() + 12, file.end()); }

/// A canvas with two frames, the first at (x, y).
Bytes animation(int height, int width, const Image& frame, int y, int x) {
  Bytes chunks = extended(2, height, width), loop = {0, 0, 0, 0, 0, 0};
  put_chunk(chunks, "ANIM", loop);
  for (int i = 0; i < 2; ++i) {
    Bytes content;
    put(content, static_cast<std::size_t>(x / 2), 3);
    put(content, static_cast<std::size_t>(y / 2), 3);
    put(content, static_cast<std::size_t>(frame.size.width - 1), 3);
    put(content, static_cast<std::size_t>(frame.size.height - 1), 3);
    put(content, 100, 3);
    content.push_back(0);
    const Bytes picture = picture_chunk(lossless(frame));
    content.insert(content.end(), picture.begin(), picture.end());
    put_chunk(chunks, "ANMF", content);
  }
  return riff(chunks);
}

}  // namespace

TEST_CASE("WebP: lossless to the bit, lossy nearly, alpha dropped", "[codec][webp]") {
  const Image original = gradient(21, 34);
  Image image;
  REQUIRE(decode(lossless(original), image).ok());
  CHECK(image.format == PixelFormat::rgb);
  CHECK(image.size == Size{21, 34});
  CHECK(image.warning.empty());
  CHECK(pixels_of(image) == pixels_of(original));

  Bytes flat(16 * 16 * 3);
  for (std::size_t i = 0; i < flat.size(); ++i) flat[i] = static_cast<std::uint8_t>(60 + 50 * (i % 3));
  std::uint8_t* out = nullptr;
  std::size_t size = WebPEncodeRGB(flat.data(), 16, 16, 48, 95, &out);
  REQUIRE(decode(taken(out, size), image).ok());
  for (const int value : {0, 1, 2})
    CHECK(std::abs(pixels_of(image)[static_cast<std::size_t>(300 + value)] - (60 + 50 * value)) <= 4);

  // Not blended with anything: colours stay as they are where alpha is small.
  Bytes rgba;
  for (int i = 0; i < 16 * 16; ++i)
    rgba.insert(rgba.end(), {200, 100, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(1 + i / 2)});
  size = WebPEncodeLosslessRGBA(rgba.data(), 16, 16, 64, &out);
  REQUIRE(decode(taken(out, size), image).ok());
  for (int i = 0; i < 16 * 16; ++i) {
    const std::uint8_t* p = image.row(i / 16) + 3 * (i % 16);
    REQUIRE((p[0] == 200 && p[1] == 100 && p[2] == i));
  }
}

TEST_CASE("WebP: EXIF orientation is applied, with JPEG's prefix or without", "[codec][webp]") {
  const Image original = gradient(21, 34);
  const Bytes tiff = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 18, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0};
  for (const bool has_prefix : {false, true}) {
    Bytes exif = has_prefix ? Bytes{'E', 'x', 'i', 'f', 0, 0} : Bytes();
    exif.insert(exif.end(), tiff.begin(), tiff.end());
    Bytes chunks = extended(8, 21, 34);
    const Bytes picture = picture_chunk(lossless(original));
    chunks.insert(chunks.end(), picture.begin(), picture.end());
    put_chunk(chunks, "EXIF", exif);
    Image image, expected;
    REQUIRE(decode(riff(chunks), image).ok());
    REQUIRE(turn_upright(original, 6, expected));
    CHECK(image.size == Size{34, 21});
    CHECK(pixels_of(image) == pixels_of(expected));
  }
}

TEST_CASE("WebP: of an animation the first frame is read", "[codec][webp]") {
  const Image frame = gradient(8, 12);
  Image image;
  REQUIRE(decode(animation(20, 30, frame, 4, 6), image).ok());
  CHECK(image.warning == "the WebP is an animation; its first frame is read");
  REQUIRE(image.size == Size{20, 30});
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 30; ++x) {
      const bool is_inside = y >= 4 && y < 12 && x >= 6 && x < 18;
      const std::uint8_t black[3] = {}, *want = is_inside ? frame.row(y - 4) + 3 * (x - 6) : black;
      REQUIRE(std::memcmp(image.row(y) + 3 * x, want, 3) == 0);
    }
  }
  CHECK_FALSE(decode(animation(20, 30, frame, 16, 6), image).ok());  // the frame leaves the canvas
}

TEST_CASE("damaged WebPs are refused in one line, and sizes are bounded", "[codec][webp]") {
  const Image original = gradient(21, 34);
  mistreat(lossless(original), 0);
  mistreat(animation(20, 30, gradient(8, 12), 4, 6), 0);
  std::uint8_t* out = nullptr;
  const std::size_t size = WebPEncodeRGB(original.pixels.data(), 34, 21, 102, 80, &out);
  mistreat(taken(out, size), 0);
  Image image;
  DecodeLimits small;
  small.max_pixels = 100;
  CHECK(decode(lossless(original), image, small).message() ==
        "the image declares 34x21 = 714 pixels; the limit is 100 (--max-pixels)");
}
