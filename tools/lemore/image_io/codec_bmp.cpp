#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "image_io/decode.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 65535
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace lemore::cli {

namespace {

struct LittleEndian {
  const std::uint8_t* data;
  std::uint32_t u16(std::size_t at) const noexcept { return data[at] | static_cast<std::uint32_t>(data[at + 1]) << 8; }
  std::uint32_t u32(std::size_t at) const noexcept { return u16(at) | u16(at + 2) << 16; }
};

Status damaged(const std::string& what) { return Status(StatusCode::invalid_file, "damaged BMP: " + what); }

/// What a BMP's headers say, checked: the rows of pixels lie within the file.
struct BmpHeader {
  std::uint32_t bytes = 0;  ///< of the header behind the file's own 14
  Size size;
  bool is_top_first = false;
  std::uint32_t bits = 0;
  std::size_t pixels_at = 0, row_bytes = 0;
};

Status read_header(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, BmpHeader& bmp) {
  const LittleEndian le{data};
  if (size < 26) return damaged("the file is cut short");
  bmp.pixels_at = le.u32(10);
  bmp.bytes = le.u32(14);
  std::uint64_t width = 0, height = 0;
  std::uint32_t compression = 0;
  if (bmp.bytes == 12) {
    width = le.u16(18);
    height = le.u16(20);
    bmp.bits = le.u16(24);
  } else if ((bmp.bytes == 40 || bmp.bytes == 56 || bmp.bytes == 108 || bmp.bytes == 124) && size >= 14 + bmp.bytes) {
    width = le.u32(18);
    const std::uint32_t stored = le.u32(22);
    bmp.is_top_first = (stored & 0x80000000u) != 0;  // a negative height
    height = bmp.is_top_first ? 0u - stored : stored;
    bmp.bits = le.u16(28);
    compression = le.u32(30);
  } else {
    return damaged("unknown header of " + std::to_string(bmp.bytes) + " bytes, or the file is cut short");
  }
  if (const Status status = check_image_size(width, height, limits); !status.ok()) return status;
  if (compression == 1 || compression == 2)
    return Status(StatusCode::unsupported, "run-length coded BMP is not supported");
  if (compression != 0 && compression != 3) return Status(StatusCode::unsupported, "compressed BMP is not supported");
  const std::uint64_t row = (width * bmp.bits + 31) / 32 * 4;
  if (bmp.pixels_at > size || row * height > size - bmp.pixels_at) return damaged("the file is cut short");
  if (size > 0x7FFFFFFFu) return Status(StatusCode::unsupported, "BMP beyond 2 GB is not supported");
  bmp.size = Size{static_cast<int>(height), static_cast<int>(width)};
  bmp.row_bytes = static_cast<std::size_t>(row);
  return Status();
}

/// Pixels of 1, 4 or 8 bits. stb_image reads too few entries of the palette behind a header of 12 bytes, and takes
/// colours beyond a palette from memory that nothing has written; here they are black, as in a PNG.
Status decode_indexed(const std::uint8_t* data, const BmpHeader& bmp, Image& image) {
  const LittleEndian le{data};
  if (bmp.bits != 1 && bmp.bits != 4 && bmp.bits != 8) return damaged(std::to_string(bmp.bits) + " bits a pixel");
  if (le.u16(bmp.bytes == 12 ? 22 : 26) != 1) return damaged("more than one plane");
  const std::size_t palette_at = 14 + bmp.bytes, entry = bmp.bytes == 12 ? 3 : 4;
  const std::size_t count = bmp.pixels_at > palette_at ? (bmp.pixels_at - palette_at) / entry : 0;
  if (count == 0 || count > 256) return damaged("no valid palette");
  std::array<std::array<std::uint8_t, 3>, 256> palette{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* bgr = data + palette_at + entry * i;
    palette[i] = {bgr[2], bgr[1], bgr[0]};
  }
  if (!image.reset(bmp.size, PixelFormat::rgb)) return Status(StatusCode::out_of_memory, "no memory for the pixels");
  const auto height = static_cast<std::size_t>(bmp.size.height), width = static_cast<std::size_t>(bmp.size.width);
  const unsigned mask = (1u << bmp.bits) - 1;
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* from = data + bmp.pixels_at + (bmp.is_top_first ? y : height - 1 - y) * bmp.row_bytes;
    std::uint8_t* to = image.pixels.data() + y * image.row_bytes();
    for (std::size_t x = 0; x < width; ++x) {
      const std::size_t bit = x * bmp.bits;  // the first pixel is in the high bits
      const unsigned index = from[bit / 8] >> (8 - bmp.bits - bit % 8) & mask;
      std::copy(palette[index].begin(), palette[index].end(), to + 3 * x);
    }
  }
  return Status();
}

}  // namespace

/// stb_image knows the many BMP headers, but reads zeros beyond the end of a file: what it is given is checked to be
/// whole before.
Status decode_bmp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image) {
  BmpHeader bmp;
  if (const Status status = read_header(data, size, limits, bmp); !status.ok()) return status;
  if (bmp.bits < 16) return decode_indexed(data, bmp, image);
  int w = 0, h = 0, channels = 0;
  stbi_uc* pixels = stbi_load_from_memory(data, static_cast<int>(size), &w, &h, &channels, 3);
  if (pixels == nullptr) return damaged(stbi_failure_reason());
  const bool has_room = image.reset(Size{h, w}, PixelFormat::rgb);
  if (has_room) std::memcpy(image.pixels.data(), pixels, static_cast<std::size_t>(h) * image.row_bytes());
  stbi_image_free(pixels);
  return has_room ? Status() : Status(StatusCode::out_of_memory, "no memory for the pixels");
}

}  // namespace lemore::cli
