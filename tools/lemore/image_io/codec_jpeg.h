#pragma once

#include <cstdint>
#include <vector>

#include "image_io/picture_rows.h"
#include "lemore/status.h"

namespace lemore::cli {

/// Quality of the JPEGs that are written, 1 to 100. Colours are not subsampled, so the edges of painted regions stay
/// sharp.
constexpr int k_jpeg_quality = 92;

/// Longest side of a JPEG that libjpeg writes.
constexpr int k_max_jpeg_side = 65500;

/// Encodes a picture as JPEG into `bytes`, whose memory is used again. An indexed picture is written in the colours of
/// its palette. A JPEG does not keep values exactly: it is for pictures to look at, never for label maps or confidence.
/// Errors    unsupported (a side longer than k_max_jpeg_side), out_of_memory.
Status encode_jpeg(const PictureRows& picture, std::vector<std::uint8_t>& bytes);

}  // namespace lemore::cli
