#include "image_io/exif.h"

#include <cstring>

namespace lemore::cli {

namespace {

/// Numbers of a TIFF block in its own byte order.
struct Tiff {
  const std::uint8_t* data;
  std::size_t size;
  bool big_endian;

  std::uint32_t u16(std::size_t at) const noexcept {
    const std::uint32_t a = data[at], b = data[at + 1];
    return big_endian ? (a << 8 | b) : (b << 8 | a);
  }
  std::uint32_t u32(std::size_t at) const noexcept {
    return big_endian ? (u16(at) << 16 | u16(at + 2)) : (u16(at + 2) << 16 | u16(at));
  }
};

}  // namespace

int exif_orientation(const std::uint8_t* tiff, std::size_t size) noexcept {
  constexpr std::uint32_t k_orientation_tag = 0x0112, k_type_short = 3, k_type_long = 4;
  constexpr std::size_t k_entry_bytes = 12;
  if (size < 8) return 1;
  const bool little = tiff[0] == 'I' && tiff[1] == 'I', big = tiff[0] == 'M' && tiff[1] == 'M';
  const Tiff block{tiff, size, big};
  if (!(little || big) || block.u16(2) != 42) return 1;
  const std::size_t ifd = block.u32(4);
  if (ifd < 8 || ifd > size - 2) return 1;
  std::size_t entries = block.u16(ifd);
  const std::size_t room = (size - ifd - 2) / k_entry_bytes;
  if (entries > room) entries = room;  // more declared than present: those present are read
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = ifd + 2 + i * k_entry_bytes;
    if (block.u16(at) != k_orientation_tag) continue;
    if (block.u32(at + 4) != 1) return 1;
    const std::uint32_t type = block.u16(at + 2);
    const std::uint32_t value = type == k_type_short ? block.u16(at + 8) : type == k_type_long ? block.u32(at + 8) : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

bool turn_upright(const Image& in, int orientation, Image& out) noexcept {
  const bool swaps = orientation >= 5;
  const int h = in.size.height, w = in.size.width;
  if (!out.reset(swaps ? Size{w, h} : Size{h, w}, in.format)) return false;
  const std::size_t pixel = pixel_bytes(in.format);

  // EXIF says on which side of the upright picture the stored 0th row and 0th column lie:
  //   1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
  // So in upright coordinates (after the transposition of 5..8) y runs backwards where "bottom" stands, x where "right"
  // does.
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const std::ptrdiff_t row_bytes = static_cast<std::ptrdiff_t>(in.row_bytes());
  const std::ptrdiff_t px = static_cast<std::ptrdiff_t>(pixel);
  const std::ptrdiff_t along_y = swaps ? px : row_bytes;
  const std::ptrdiff_t along_x = swaps ? row_bytes : px;
  const std::ptrdiff_t start =
      (flip_y ? along_y * (out.size.height - 1) : 0) + (flip_x ? along_x * (out.size.width - 1) : 0);
  const std::ptrdiff_t step_y = flip_y ? -along_y : along_y;
  const std::ptrdiff_t step_x = flip_x ? -along_x : along_x;

  // Blocks, so that a transposition reads and writes whole cache lines: 64 rows of 64 RGB pixels are 12 KB on each
  // side.
  constexpr int k_block = 64;
  for (int y0 = 0; y0 < out.size.height; y0 += k_block) {
    const int y1 = y0 + k_block < out.size.height ? y0 + k_block : out.size.height;
    for (int x0 = 0; x0 < out.size.width; x0 += k_block) {
      const int x1 = x0 + k_block < out.size.width ? x0 + k_block : out.size.width;
      for (int y = y0; y < y1; ++y) {
        std::uint8_t* to =
            out.pixels.data() + static_cast<std::size_t>(y) * out.row_bytes() + static_cast<std::size_t>(x0) * pixel;
        const std::uint8_t* from = in.pixels.data() + start + step_y * y + step_x * x0;
        for (int x = x0; x < x1; ++x, to += pixel, from += step_x) std::memcpy(to, from, pixel);
      }
    }
  }
  return true;
}

}  // namespace lemore::cli
