// TIFF as libtiff writes it, in every way that is read, against the samples it was made from.
#include <tiffio.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "decode_checks.h"
#include "image_io/exif.h"
#include "support/temporary_folder.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using Bytes = std::vector<std::uint8_t>;

namespace {

/// What a page is made of. Samples are [height][width][samples], of `bits` each.
struct Page {
  int height = 19, width = 37;
  int photometric = PHOTOMETRIC_MINISBLACK, bits = 8, samples = 1, compression = COMPRESSION_NONE;
  int planar = PLANARCONFIG_CONTIG, orientation = 0, format = SAMPLEFORMAT_UINT;
  int extra = -1;  ///< EXTRASAMPLE_*, or none
  int rows_per_strip = 5;
  int tile = 0;  ///< side of tiles; 0: strips
  std::vector<unsigned> values;
  std::vector<std::uint16_t> map[3];
};

Page page(int photometric, int bits, int samples) {
  Page p;
  p.photometric = photometric;
  p.bits = bits;
  p.samples = samples;
  std::mt19937 random(static_cast<unsigned>(bits * 8 + samples));
  p.values.resize(static_cast<std::size_t>(p.height * p.width * samples));
  for (unsigned& v : p.values) v = static_cast<unsigned>(random() % (1u << bits));
  if (photometric == PHOTOMETRIC_PALETTE) {
    for (auto& channel : p.map)
      for (std::size_t i = 0; i < std::size_t{1} << bits; ++i)
        channel.push_back(static_cast<std::uint16_t>(random() % 256 * 257));
  }
  return p;
}

/// Packs `count` samples.
Bytes packed(const std::vector<unsigned>& samples, int bits) {
  Bytes bytes((samples.size() * static_cast<std::size_t>(bits) + 7) / 8);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (bits == 16) {
      const auto value = static_cast<std::uint16_t>(samples[i]);
      std::memcpy(&bytes[2 * i], &value, 2);
    } else {
      const std::size_t bit = i * static_cast<std::size_t>(bits);
      bytes[bit / 8] =
          static_cast<std::uint8_t>(bytes[bit / 8] | samples[i] << (8 - static_cast<unsigned>(bits) - bit % 8));
    }
  }
  return bytes;
}

void write_page(TIFF* tiff, const Page& p) {
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, p.width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, p.height);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, p.photometric);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, p.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, p.samples);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, p.compression);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, p.planar);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, p.format);
  if (p.orientation != 0) TIFFSetField(tiff, TIFFTAG_ORIENTATION, p.orientation);
  const auto extra = static_cast<std::uint16_t>(p.extra);
  if (p.extra >= 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &extra);
  if (!p.map[0].empty()) TIFFSetField(tiff, TIFFTAG_COLORMAP, p.map[0].data(), p.map[1].data(), p.map[2].data());
  if (p.photometric == PHOTOMETRIC_SEPARATED) TIFFSetField(tiff, TIFFTAG_INKSET, INKSET_CMYK);
  if (p.photometric == PHOTOMETRIC_YCBCR) TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, 1, 1);
  if (p.photometric == PHOTOMETRIC_YCBCR && p.compression == COMPRESSION_JPEG)
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  const bool is_planar = p.planar == PLANARCONFIG_SEPARATE;
  const auto samples_of = [&](int y, int x, int count, std::uint16_t plane) {
    std::vector<unsigned> row;
    for (int i = x; i < x + count; ++i) {
      const int column = std::min(i, p.width - 1);
      const std::size_t at = (static_cast<std::size_t>(std::min(y, p.height - 1)) * p.width + column) * p.samples;
      if (is_planar) {
        row.push_back(p.values[at + plane]);
      } else {
        row.insert(row.end(), p.values.begin() + static_cast<std::ptrdiff_t>(at),
                   p.values.begin() + static_cast<std::ptrdiff_t>(at + p.samples));
      }
    }
    return packed(row, p.bits);
  };
  const auto planes = static_cast<std::uint16_t>(is_planar ? p.samples : 1);
  if (p.tile == 0) {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, p.rows_per_strip);
    for (std::uint16_t plane = 0; plane < planes; ++plane)
      for (int y = 0; y < p.height; ++y) {
        Bytes row = samples_of(y, 0, p.width, plane);
        REQUIRE(TIFFWriteScanline(tiff, row.data(), static_cast<std::uint32_t>(y), plane) == 1);
      }
  } else {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, p.tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, p.tile);
    for (std::uint16_t plane = 0; plane < planes; ++plane)
      for (int y0 = 0; y0 < p.height; y0 += p.tile)
        for (int x0 = 0; x0 < p.width; x0 += p.tile) {
          Bytes tile;
          for (int y = y0; y < y0 + p.tile; ++y) {
            const Bytes row = samples_of(y, x0, p.tile, plane);
            tile.insert(tile.end(), row.begin(), row.end());
          }
          REQUIRE(TIFFWriteTile(tiff, tile.data(), static_cast<std::uint32_t>(x0), static_cast<std::uint32_t>(y0), 0,
                                plane) > 0);
        }
  }
  REQUIRE(TIFFWriteDirectory(tiff) == 1);
}

/// `mode` as TIFFOpen has it: "w", "wb" big-endian, "w8" BigTIFF.
Bytes tiff_of(const std::vector<Page>& pages, const char* mode = "w") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.tif";
  TIFF* tiff = TIFFOpen(path.c_str(), mode);
  REQUIRE(tiff != nullptr);
  for (const Page& p : pages) write_page(tiff, p);
  TIFFClose(tiff);
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

/// The definition: what a pixel's samples become.
std::vector<int> expected_pixels(const Page& p) {
  const double largest = (1u << p.bits) - 1;
  std::vector<int> pixels;
  for (std::size_t at = 0; at < p.values.size(); at += static_cast<std::size_t>(p.samples)) {
    const auto value = [&](std::size_t i) { return std::lround(p.values[at + i] * 255 / largest); };
    switch (p.photometric) {
      case PHOTOMETRIC_MINISWHITE:
        pixels.push_back(static_cast<int>(255 - value(0)));
        break;
      case PHOTOMETRIC_MINISBLACK:
        pixels.push_back(static_cast<int>(value(0)));
        break;
      case PHOTOMETRIC_PALETTE:
        for (const auto& channel : p.map) pixels.push_back(channel[p.values[at]] / 257);
        break;
      case PHOTOMETRIC_SEPARATED:
        for (std::size_t c = 0; c < 3; ++c) {
          const long white = 255 - value(3);
          pixels.push_back(static_cast<int>(white - std::lround(static_cast<double>(value(c) * white) / 255)));
        }
        break;
      default:
        for (std::size_t c = 0; c < 3; ++c) {
          const long alpha = p.extra == EXTRASAMPLE_ASSOCALPHA ? value(3) : 255;
          pixels.push_back(alpha == 0 ? 0 : static_cast<int>(std::min(255L, value(c) * 255 / alpha)));
        }
    }
  }
  return pixels;
}

void check(const Page& p, const char* mode = "w") {
  INFO("photometric " << p.photometric << ", " << p.bits << " bits, " << p.samples << " samples, compression "
                      << p.compression << ", planar " << p.planar << ", tile " << p.tile << ", mode " << mode);
  Image image;
  const Status status = decode(tiff_of({p}, mode), image);
  INFO(status.message());
  REQUIRE(status.ok());
  CHECK(image.size == Size{p.height, p.width});
  CHECK(image.warning.empty());
  CHECK(pixels_of(image) == expected_pixels(p));
}

}  // namespace

TEST_CASE("TIFF: gray, palettes, colours and inks of each depth", "[codec][tiff]") {
  for (const int bits : {1, 2, 4, 8, 16}) {
    check(page(PHOTOMETRIC_MINISBLACK, bits, 1));
    check(page(PHOTOMETRIC_MINISWHITE, bits, 1));
    if (bits <= 8) check(page(PHOTOMETRIC_PALETTE, bits, 1));
    if (bits >= 8) check(page(PHOTOMETRIC_RGB, bits, 3));
    if (bits >= 8) check(page(PHOTOMETRIC_SEPARATED, bits, 4));
  }
}

TEST_CASE("TIFF: strips, tiles, planes, byte orders and compressions", "[codec][tiff]") {
  for (const int bits : {8, 16}) {
    for (const int planar : {PLANARCONFIG_CONTIG, PLANARCONFIG_SEPARATE}) {
      for (const int tile : {0, 16}) {
        Page p = page(PHOTOMETRIC_RGB, bits, 3);
        p.planar = planar;
        p.tile = tile;
        for (const int compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE}) {
          p.compression = compression;
          for (const char* mode : {"wl", "wb", "w8"}) check(p, mode);
        }
      }
    }
  }
  Page p = page(PHOTOMETRIC_MINISBLACK, 1, 1);
  p.compression = COMPRESSION_PACKBITS;
  check(p);
  p.photometric = PHOTOMETRIC_MINISWHITE;
  p.compression = COMPRESSION_CCITTFAX4;
  check(p);
  p.tile = 16;
  p.compression = COMPRESSION_NONE;
  check(p);
  p = page(PHOTOMETRIC_RGB, 8, 3);
  p.rows_per_strip = 1000;
  check(p);
}

TEST_CASE("TIFF: alpha is dropped, and taken out of colours that were multiplied by it", "[codec][tiff]") {
  for (const int extra : {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_ASSOCALPHA, EXTRASAMPLE_UNASSALPHA}) {
    Page p = page(PHOTOMETRIC_RGB, 8, 4);
    p.extra = extra;
    check(p);
  }
  Page gray = page(PHOTOMETRIC_MINISBLACK, 16, 2);
  gray.extra = EXTRASAMPLE_UNASSALPHA;
  check(gray);
}

TEST_CASE("TIFF: its orientation is applied, and of several pages the first is read", "[codec][tiff]") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Page p = page(PHOTOMETRIC_RGB, 8, 3);
    p.orientation = orientation;
    Image turned, plain, expected;
    REQUIRE(decode(tiff_of({p}), turned).ok());
    p.orientation = 1;
    REQUIRE(decode(tiff_of({p}), plain).ok());
    REQUIRE(turn_upright(plain, orientation, expected));
    CHECK(turned.size == expected.size);
    CHECK(pixels_of(turned) == pixels_of(expected));
  }
  Page first = page(PHOTOMETRIC_RGB, 8, 3);
  Image image;
  REQUIRE(decode(tiff_of({first, page(PHOTOMETRIC_MINISBLACK, 8, 1)}), image).ok());
  CHECK(image.warning == "the TIFF has more than one page; the first is read");
  CHECK(pixels_of(image) == expected_pixels(first));
}

TEST_CASE("TIFF: JPEG compression and YCbCr come near the colours they were made from", "[codec][tiff]") {
  Page p = page(PHOTOMETRIC_RGB, 8, 3);
  for (std::size_t i = 0; i < p.values.size(); ++i) p.values[i] = static_cast<unsigned>(40 + 70 * (i % 3));
  const std::vector<int> expected = expected_pixels(p);
  const auto is_near = [&](const Page& stored) {
    Image image;
    const Status status = decode(tiff_of({stored}), image);
    INFO(status.message());
    REQUIRE(status.ok());
    const std::vector<int> pixels = pixels_of(image);
    REQUIRE(pixels.size() == expected.size());
    for (std::size_t i = 0; i < pixels.size(); ++i) REQUIRE(std::abs(pixels[i] - expected[i]) <= 4);
  };
  p.compression = COMPRESSION_JPEG;
  p.rows_per_strip = 16;
  is_near(p);
  p.tile = 16;
  is_near(p);
  p.photometric = PHOTOMETRIC_YCBCR;
  is_near(p);
  p.tile = 0;
  is_near(p);
  p.compression = COMPRESSION_NONE;
  for (std::size_t i = 0; i < p.values.size(); i += 3) {  // BT.601 of 40, 110, 180
    p.values[i] = 97;
    p.values[i + 1] = 175;
    p.values[i + 2] = 87;
  }
  is_near(p);
}

TEST_CASE("TIFF: what is not read is named", "[codec][tiff]") {
  const auto refusal = [](const Page& p) {
    Image image;
    const Status status = decode(tiff_of({p}), image);
    CHECK(status.code() == StatusCode::unsupported);
    return status.message();
  };
  Page p = page(PHOTOMETRIC_MINISBLACK, 16, 1);
  p.format = SAMPLEFORMAT_INT;
  CHECK(refusal(p) == "TIFF of signed or complex samples is not supported");
  CHECK(refusal(page(PHOTOMETRIC_MINISBLACK, 8, 5)) ==
        "TIFF with 5 samples a pixel (expected 1, or one more for alpha) is not supported");
  CHECK(refusal(page(PHOTOMETRIC_LOGL, 16, 1)) == "TIFF of photometric interpretation 32844 is not supported");

  Image image;
  DecodeLimits small;
  small.max_pixels = 100;
  CHECK(decode(tiff_of({page(PHOTOMETRIC_RGB, 8, 3)}), image, small).message() ==
        "the image declares 37x19 = 703 pixels; the limit is 100 (--max-pixels)");
}

TEST_CASE("damaged TIFFs are refused in one line", "[codec][tiff]") {
  for (const int compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_JPEG}) {
    for (const int tile : {0, 16}) {
      Page p = page(PHOTOMETRIC_RGB, 8, 3);
      p.compression = compression;
      p.tile = tile;
      if (compression == COMPRESSION_JPEG) p.rows_per_strip = 8;
      mistreat(tiff_of({p}), 0);
    }
  }
  mistreat(tiff_of({page(PHOTOMETRIC_PALETTE, 4, 1)}), 0);
}
