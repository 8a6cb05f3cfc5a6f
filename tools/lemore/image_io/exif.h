#pragma once

#include <cstddef>
#include <cstdint>

#include "image_io/image.h"

namespace lemore::cli {

/// The orientation (1..8) in an EXIF block that begins with its TIFF header ("II*\0" or "MM\0*"); 1 for anything
/// damaged, out of range or absent. Reads IFD 0 only, never beyond `size`.
int exif_orientation(const std::uint8_t* tiff, std::size_t size) noexcept;

/// Writes `in`, as a camera held that way stored it, upright to `out`. Orientation 5..8 swap height and width.
/// Requires 1 <= orientation <= 8. False when there is no memory.
bool turn_upright(const Image& in, int orientation, Image& out) noexcept;

}  // namespace lemore::cli
