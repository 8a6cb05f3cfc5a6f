#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "image_io/decode.h"
#include "image_io/image.h"
#include "lemore/image.h"
#include "lemore/status.h"

namespace lemore::cli {

enum class PngKind : std::uint8_t { gray, indexed, rgb };

/// zlib levels. Pictures are written while the network runs on the same cores, so a level is worth its time only while
/// it shrinks files noticeably (measured on CamVid photographs, 480x360: docs of the run command).
constexpr int k_png_photo_level = 1;
constexpr int k_png_flat_level = 6;

/// A picture to be written as PNG, given row by row so that none is ever held as a whole.
struct PngPicture {
  PngKind kind = PngKind::rgb;
  Size size;
  bool photographic = false;  ///< smooth shades (filtered, fast deflate) rather than flat areas
  const std::array<std::uint8_t, 3>* palette = nullptr;  ///< of an indexed picture
  std::size_t palette_size = 0;                          ///< 1..256
  /// Writes row y (width bytes, three times as many for rgb). Called once a row, in order; must not throw.
  void (*fill_row)(void* context, int y, std::uint8_t* row) = nullptr;
  void* context = nullptr;
};

/// Decodes an annotation: an 8-bit gray or an indexed PNG, whose values (indexed: the palette's places, never its
/// colours) become a gray image as they stand; no orientation is applied. Other PNGs are unsupported by name.
/// Errors, limits and strictness as decode_image.
Status decode_label_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& values);

/// Encodes into `bytes`, whose memory is used again. Errors: out_of_memory.
Status encode_png(const PngPicture& picture, std::vector<std::uint8_t>& bytes);

}  // namespace lemore::cli
