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

}  // namespace

/// stb_image knows the many BMP headers, but reads zeros beyond the end of a file: what it is given is checked to be
/// whole before.
Status decode_bmp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image) {
  const LittleEndian le{data};
  if (size < 26) return damaged("the file is cut short");
  const std::uint32_t pixels_at = le.u32(10), header = le.u32(14);
  std::uint64_t width = 0, height = 0;
  std::uint32_t bits = 0, compression = 0;
  if (header == 12) {
    width = le.u16(18);
    height = le.u16(20);
    bits = le.u16(24);
  } else if (header >= 40 && header <= 124 && size >= 54) {
    width = le.u32(18);
    const std::uint32_t stored = le.u32(22);
    height = (stored & 0x80000000u) != 0 ? 0u - stored : stored;  // negative: the top row comes first
    bits = le.u16(28);
    compression = le.u32(30);
  } else {
    return damaged("unknown header of " + std::to_string(header) + " bytes");
  }
  if (const Status status = check_image_size(width, height, limits); !status.ok()) return status;
  if (compression == 1 || compression == 2)
    return Status(StatusCode::unsupported, "run-length coded BMP is not supported");
  if (compression != 0 && compression != 3) return Status(StatusCode::unsupported, "compressed BMP is not supported");
  const std::uint64_t row = (width * bits + 31) / 32 * 4;
  if (pixels_at > size || row * height > size - pixels_at) return damaged("the file is cut short");
  if (size > 0x7FFFFFFFu) return Status(StatusCode::unsupported, "BMP beyond 2 GB is not supported");

  int w = 0, h = 0, channels = 0;
  stbi_uc* pixels = stbi_load_from_memory(data, static_cast<int>(size), &w, &h, &channels, 3);
  if (pixels == nullptr) return damaged(stbi_failure_reason());
  const bool has_room = image.reset(Size{h, w}, PixelFormat::rgb);
  if (has_room) std::memcpy(image.pixels.data(), pixels, static_cast<std::size_t>(h) * image.row_bytes());
  stbi_image_free(pixels);
  return has_room ? Status() : Status(StatusCode::out_of_memory, "no memory for the pixels");
}

}  // namespace lemore::cli
