#include "image_io/exif.h"

#include <catch2/catch.hpp>
#include <vector>

#include "image_io/decode.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using Bytes = std::vector<std::uint8_t>;

namespace {

/// A TIFF header with one entry, the orientation.
Bytes little_endian(std::uint8_t value) {
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0};
}
Bytes big_endian(std::uint8_t value) {
  return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0};
}

/// The pixel of an upright h x w picture that a camera held in `orientation` stores at (row, col), from the EXIF
/// specification's words for the 0th row and 0th column.
Size upright_of(int orientation, int row, int col, int h, int w) {
  switch (orientation) {
    case 1:
      return {row, col};  // row 0 top, column 0 left
    case 2:
      return {row, w - 1 - col};  // top, right
    case 3:
      return {h - 1 - row, w - 1 - col};  // bottom, right
    case 4:
      return {h - 1 - row, col};  // bottom, left
    case 5:
      return {col, row};  // left, top
    case 6:
      return {col, w - 1 - row};  // right, top
    case 7:
      return {h - 1 - col, w - 1 - row};  // right, bottom
    default:
      return {h - 1 - col, row};  // left, bottom
  }
}

}  // namespace

TEST_CASE("orientation is read in both byte orders", "[exif]") {
  for (std::uint8_t value = 1; value <= 8; ++value) {
    CHECK(exif_orientation(little_endian(value).data(), 26) == value);
    CHECK(exif_orientation(big_endian(value).data(), 26) == value);
  }
}

TEST_CASE("a hostile EXIF block counts as none", "[exif]") {
  const auto of = [](const Bytes& b) {
    const Bytes exact(b);
    return exif_orientation(exact.data(), exact.size());
  };
  CHECK(of({}) == 1);
  CHECK(of(little_endian(0)) == 1);
  CHECK(of(little_endian(9)) == 1);
  CHECK(of(little_endian(255)) == 1);
  for (std::size_t size = 0; size < 22; ++size) {
    const Bytes whole = little_endian(6);
    CHECK(of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))) == 1);
  }
  Bytes bad = little_endian(6);
  bad[4] = 0xFF, bad[5] = 0xFF, bad[6] = 0xFF, bad[7] = 0xFF;  // IFD far outside
  CHECK(of(bad) == 1);
  bad = little_endian(6);
  bad[8] = 0xFF, bad[9] = 0xFF;  // 65535 entries declared, one there: that one is read
  CHECK(of(bad) == 6);
  bad = little_endian(6);
  bad[14] = 9;  // nine values
  CHECK(of(bad) == 1);
}

TEST_CASE("images are turned as the specification says", "[exif]") {
  constexpr int h = 67, w = 70;  // more than one block of the transposition
  const Image upright = gradient(h, w);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const int rows = orientation >= 5 ? w : h, cols = orientation >= 5 ? h : w;
    Image stored, turned;
    REQUIRE(stored.reset({rows, cols}, PixelFormat::rgb));
    for (int row = 0; row < rows; ++row) {
      for (int col = 0; col < cols; ++col) {
        const Size from = upright_of(orientation, row, col, h, w);
        std::copy_n(upright.row(from.height) + 3 * from.width, 3,
                    stored.pixels.data() + static_cast<std::size_t>(row) * stored.row_bytes() + 3 * col);
      }
    }
    REQUIRE(turn_upright(stored, orientation, turned));
    INFO("orientation " << orientation);
    CHECK(turned.size == upright.size);
    CHECK(std::equal(upright.row(0), upright.row(0) + h * upright.row_bytes(), turned.row(0)));
  }
}

TEST_CASE("a JPEG's orientation swaps its size", "[exif]") {
  const Image image = gradient(16, 24);
  Bytes exif = {'E', 'x', 'i', 'f', 0, 0};
  const Bytes tiff = big_endian(6);
  exif.insert(exif.end(), tiff.begin(), tiff.end());
  const Bytes jpeg = as_jpeg(image.pixels.data(), 16, 24, 3, exif);
  Image decoded, scratch;
  REQUIRE(decode_image(jpeg.data(), jpeg.size(), DecodeLimits(), decoded, scratch).ok());
  CHECK(decoded.size == Size{24, 16});
}
