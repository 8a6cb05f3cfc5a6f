#pragma once

#include <cstddef>
#include <cstdint>

#include "image_io/image.h"
#include "lemore/status.h"

namespace lemore::cli {

/// What the first bytes say a file is; the name of a file is never asked.
enum class ImageFormat : std::uint8_t {
  jpeg,
  png,
  bmp,
  pnm,
  unsupported,  ///< an image format that has a name but is not read here
  unknown
};

/// The format of bytes, and its name ("JPEG", "WebP", ...; never null).
struct FormatInfo {
  ImageFormat format = ImageFormat::unknown;
  const char* name = "unknown";
};
FormatInfo sniff_format(const std::uint8_t* data, std::size_t size) noexcept;

/// Largest height or width of an image.
constexpr int k_max_image_side = 65535;

/// Largest image file that is read.
constexpr std::size_t k_max_image_file_bytes = std::size_t{2} << 30;

/// What is refused before any memory is taken for pixels.
struct DecodeLimits {
  std::uint64_t max_pixels = std::uint64_t{1} << 28;  ///< 268 megapixels: 805 MB of RGB
};

/// Decodes a whole image file to 8-bit gray or RGB and turns it upright.
///
/// Values    gray stays gray; palettes are expanded; alpha is dropped, not blended; 16-bit samples become
///           round(v * 255 / 65535); gamma, colour profiles and text are ignored; CMYK and YCCK JPEGs are read by
///           Adobe's convention (stored inverted) and become (255 - c) * (255 - k) / 255, as PIL does.
/// Turning   EXIF orientation 1-8 of JPEG and PNG is applied; a damaged EXIF block counts as none.
/// Strict    a file that is cut short or whose entropy-coded data is damaged is refused, never half shown.
/// Errors    invalid_file, unsupported (by name), out_of_memory. Messages do not name the file.
/// Memory    the image, and as much again while one with an orientation is turned (`image` and the scratch swap).
Status decode_image(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                    Image& scratch);

/// Checks a declared size against the limits. Errors: invalid_file.
Status check_image_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

// One decoder a format; `orientation` is set to 1..8 where the format carries one.
Status decode_jpeg(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation);
Status decode_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                  int& orientation);
Status decode_bmp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image);
Status decode_pnm(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image);

}  // namespace lemore::cli
