#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "image_io/image.h"
#include "lemore/status.h"

namespace lemore::cli {

/// What the first bytes say a file is; its name plays no part.
enum class ImageFormat : std::uint8_t {
  jpeg,
  png,
  bmp,
  pnm,
  webp,
  tiff,
  unsupported,  ///< an image format that has a name but is not read, here or in this build
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
  /// Called when the size is known and before memory is taken for pixels, so that several threads can share a budget:
  /// it may wait. What it returns, unless ok, is the result of decoding. Must not throw. May be empty.
  std::function<Status(std::uint64_t pixels)> admit = {};
};

/// Decodes a whole image file to 8-bit gray or RGB and turns it upright. docs/images.md has the rules for users.
///
/// Values    Gray stays gray, palettes are expanded, 16-bit samples become round(v * 255 / 65535). Alpha is dropped,
///           not blended; a TIFF's colours that were multiplied by alpha are divided by it again. CMYK becomes
///           (255 - c) * (255 - k) / 255, as in PIL; CMYK and YCCK JPEGs are read by Adobe's convention (stored
///           inverted). Gamma, colour profiles and text are ignored.
/// Turning   The EXIF orientation of JPEG, PNG and WebP and the orientation tag of TIFF are applied. A damaged EXIF
///           block counts as none.
/// Several   The first page of a TIFF and the first frame of an animated WebP are read, with a warning.
/// Strict    A file that is cut short or whose coded data is damaged is refused, never half shown. A JPEG that lacks
///           only its end marker is read, with a warning.
/// Warnings  In image.warning, which is empty otherwise.
/// Errors    invalid_file, unsupported (by name), out_of_memory. Messages do not name the file.
/// Memory    The image, and as much again while it is turned (`image` and the scratch swap). While they are decoded, a
///           lossless WebP and a YCbCr TIFF take 4 more bytes a pixel, other TIFFs a row or a tile.
Status decode_image(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                    Image& scratch);

/// Checks a declared size against the limits, and asks `limits.admit`. Errors: invalid_file, and those of `admit`.
Status check_image_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits);

// One decoder a format; `orientation` is set to 1..8 where the format carries one.
Status decode_jpeg(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation);
Status decode_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                  int& orientation);
Status decode_bmp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image);
Status decode_pnm(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image);
// These two are built where their libraries are: LEMORE_WEBP and LEMORE_TIFF are 1 then, else 0.
Status decode_webp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation);
Status decode_tiff(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation);

}  // namespace lemore::cli
