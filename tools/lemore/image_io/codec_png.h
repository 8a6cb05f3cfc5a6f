#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "image_io/decode.h"
#include "image_io/image.h"
#include "image_io/picture_rows.h"
#include "lemore/image.h"
#include "lemore/status.h"

namespace lemore::cli {

/// zlib levels. Pictures are written while the network runs on the same cores, so a level is worth its time only while
/// it shrinks files noticeably (measured on CamVid photographs, 480x360: docs of the run command).
constexpr int k_png_photo_level = 1;
constexpr int k_png_flat_level = 6;

/// The values that an annotation stores, rows without padding.
struct LabelSamples {
  ByteBuffer bytes;
  Size size;
  bool is_wide = false;  ///< two bytes each, in this machine's order

  unsigned at(std::size_t i) const noexcept {
    if (!is_wide) return bytes.data()[i];
    std::uint16_t value = 0;
    std::memcpy(&value, bytes.data() + 2 * i, sizeof value);
    return value;
  }
};

// Annotations are PNGs whose values are taken as they stand: gray of 1, 2, 4, 8 or 16 bits is never scaled, of an
// indexed PNG the places in the palette count, not the colours; no orientation is applied. The Python tools read them
// in the same way (docs/images.md). Errors, limits and strictness are those of decode_image; other PNGs are unsupported
// by name.

/// Gray of at most 8 bits or indexed, as a gray image.
Status decode_label_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& values);

/// Gray of up to 16 bits, whose alpha, if any, is dropped, or indexed.
Status decode_label_samples(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits,
                            LabelSamples& samples);

/// The colours of an annotation, 8-bit gray or RGB as decode_image has them, but never turned.
Status decode_label_colors(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& colors);

/// Encodes into `bytes`, whose memory is used again. Errors: out_of_memory.
Status encode_png(const PictureRows& picture, std::vector<std::uint8_t>& bytes);

}  // namespace lemore::cli
