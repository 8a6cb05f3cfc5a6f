#pragma once

#include <cstddef>
#include <cstdint>
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// Order of the bytes of one 8-bit pixel. Alpha is ignored.
enum class PixelFormat : std::uint8_t { gray, gray_alpha, rgb, bgr, rgba, bgra };

/// Number of bytes of one pixel: 1 to 4.
constexpr std::size_t pixel_bytes(PixelFormat format) noexcept {
  switch (format) {
    case PixelFormat::gray:
      return 1;
    case PixelFormat::gray_alpha:
      return 2;
    case PixelFormat::rgb:
    case PixelFormat::bgr:
      return 3;
    case PixelFormat::rgba:
    case PixelFormat::bgra:
      return 4;
  }
  return 0;
}

/// Height and width in pixels.
struct Size {
  int height = 0;
  int width = 0;
  bool operator==(const Size& o) const noexcept { return height == o.height && width == o.width; }
  bool operator!=(const Size& o) const noexcept { return !(*this == o); }
};

/// An 8-bit image owned by someone else. Row y starts at data + y * row_bytes.
struct ImageView {
  const std::uint8_t* data = nullptr;
  Size size;
  std::size_t row_bytes = 0;  ///< at least width * pixel_bytes(format)
  PixelFormat format = PixelFormat::rgb;
};

/// Where lemore writes one class index per pixel. Row y starts at data + y * row_bytes.
struct LabelView {
  std::uint8_t* data = nullptr;
  Size size;
  std::size_t row_bytes = 0;  ///< at least width
};

/// Where lemore writes one value in 0..1 per pixel. Row y starts at data + y * row_stride, counted in elements.
struct ConfidenceView {
  float* data = nullptr;
  Size size;
  std::size_t row_stride = 0;  ///< at least width
};

}  // namespace lemore

#include "lemore/pop_macros.h"
