#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lemore/image.h"

namespace lemore::cli {

enum class PictureKind : std::uint8_t { gray, indexed, rgb };

/// A picture to be encoded, given row by row so that none is ever held as a whole.
struct PictureRows {
  PictureKind kind = PictureKind::rgb;
  Size size;
  bool photographic = false;  ///< smooth shades rather than flat areas: a PNG is filtered and deflated fast
  const std::array<std::uint8_t, 3>* palette = nullptr;  ///< of an indexed picture
  std::size_t palette_size = 0;                          ///< 1..256
  /// Writes row y (width bytes, three times as many for rgb). Called once a row, in order; must not throw.
  void (*fill_row)(void* context, int y, std::uint8_t* row) = nullptr;
  void* context = nullptr;
};

}  // namespace lemore::cli
