#include "image_io/decode.h"

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "image_io/exif.h"

namespace lemore::cli {

namespace {

bool has(const std::uint8_t* data, std::size_t size, std::size_t at, std::string_view bytes) noexcept {
  return size >= at + bytes.size() && std::memcmp(data + at, bytes.data(), bytes.size()) == 0;
}

/// Brands of ISO media files ("ftyp" boxes) that hold pictures.
const char* isobmff_name(const std::uint8_t* data, std::size_t size) noexcept {
  if (!has(data, size, 4, "ftyp")) return nullptr;
  if (has(data, size, 8, "avif") || has(data, size, 8, "avis")) return "AVIF";
  for (const char* brand : {"heic", "heix", "hevc", "heim", "heis", "mif1", "msf1"}) {
    if (has(data, size, 8, brand)) return "HEIF";
  }
  return "MP4 video";
}

}  // namespace

FormatInfo sniff_format(const std::uint8_t* data, std::size_t size) noexcept {
  using namespace std::string_view_literals;
  if (has(data, size, 0, "\xFF\xD8\xFF"sv)) return {ImageFormat::jpeg, "JPEG"};
  if (has(data, size, 0, "\x89PNG\r\n\x1A\n"sv)) return {ImageFormat::png, "PNG"};
  if (has(data, size, 0, "BM"sv) && size >= 18 && data[6] == 0 && data[7] == 0) return {ImageFormat::bmp, "BMP"};
  if (size >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' &&
      (data[2] == ' ' || data[2] == '\n' || data[2] == '\r' || data[2] == '\t' || data[2] == '#')) {
    return {ImageFormat::pnm, "PNM"};
  }
  if (has(data, size, 0, "GIF87a"sv) || has(data, size, 0, "GIF89a"sv)) return {ImageFormat::unsupported, "GIF"};
  if (has(data, size, 0, "RIFF"sv) && has(data, size, 8, "WEBP"sv)) return {ImageFormat::webp, "WebP"};
  for (const std::string_view start : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (has(data, size, 0, start)) return {ImageFormat::tiff, "TIFF"};
  }
  if (has(data, size, 0, "\0\0\0\x0CjP  "sv) || has(data, size, 0, "\xFF\x4F\xFF\x51"sv)) {
    return {ImageFormat::unsupported, "JPEG 2000"};
  }
  if (has(data, size, 0, "\xFF\x0A"sv) || has(data, size, 0, "\0\0\0\x0CJXL "sv)) {
    return {ImageFormat::unsupported, "JPEG XL"};
  }
  if (const char* name = isobmff_name(data, size)) return {ImageFormat::unsupported, name};
  if (has(data, size, 0, "8BPS"sv)) return {ImageFormat::unsupported, "Photoshop"};
  if (has(data, size, 0, "%PDF"sv)) return {ImageFormat::unsupported, "PDF"};
  if (has(data, size, 0, "P7\n"sv)) return {ImageFormat::unsupported, "PAM"};
  if (has(data, size, 0, "Pf\n"sv) || has(data, size, 0, "PF\n"sv)) return {ImageFormat::unsupported, "PFM"};
  if (has(data, size, 0, "qoif"sv)) return {ImageFormat::unsupported, "QOI"};
  if (has(data, size, 0, "\0\0\1\0"sv)) return {ImageFormat::unsupported, "ICO"};
  if (has(data, size, 0, "#?RADIANCE"sv)) return {ImageFormat::unsupported, "Radiance HDR"};
  if (has(data, size, 0, "v/1\1"sv)) return {ImageFormat::unsupported, "OpenEXR"};
  if (has(data, size, 0, "<svg"sv)) return {ImageFormat::unsupported, "SVG"};
  return {};
}

Status check_image_size(std::uint64_t width, std::uint64_t height, const DecodeLimits& limits) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  constexpr auto k_side = static_cast<std::uint64_t>(k_max_image_side);
  if (width == 0 || height == 0) return Status(StatusCode::invalid_file, "the image is empty (" + size + " pixels)");
  if (width > k_side || height > k_side) {
    return Status(StatusCode::invalid_file, "the image declares " + size + " pixels; at most " +
                                                std::to_string(k_max_image_side) + " a side are read");
  }
  if (width * height > limits.max_pixels) {  // both below 2^16: no overflow
    return Status(StatusCode::invalid_file, "the image declares " + size + " = " + std::to_string(width * height) +
                                                " pixels; the limit is " + std::to_string(limits.max_pixels) +
                                                " (--max-pixels)");
  }
  return limits.admit ? limits.admit(width * height) : Status();
}

Status decode_image(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                    Image& scratch) {
  if (size == 0) return Status(StatusCode::invalid_file, "the file is empty");
  int orientation = 1;
  Status status;
  image.warning.clear();
  const FormatInfo info = sniff_format(data, size);
  switch (info.format) {
    case ImageFormat::jpeg:
      status = decode_jpeg(data, size, limits, image, orientation);
      break;
    case ImageFormat::png:
      status = decode_png(data, size, limits, image, orientation);
      break;
    case ImageFormat::bmp:
      status = decode_bmp(data, size, limits, image);
      break;
    case ImageFormat::pnm:
      status = decode_pnm(data, size, limits, image);
      break;
    case ImageFormat::webp:
#if LEMORE_WEBP
      status = decode_webp(data, size, limits, image, orientation);
      break;
#else
      return Status(StatusCode::unsupported, "WebP is not supported: this lemore was built without libwebp");
#endif
    case ImageFormat::tiff:
#if LEMORE_TIFF
      status = decode_tiff(data, size, limits, image, orientation);
      break;
#else
      return Status(StatusCode::unsupported, "TIFF is not supported: this lemore was built without libtiff");
#endif
    case ImageFormat::unsupported:
      return Status(StatusCode::unsupported, std::string(info.name) + " is not supported");
    case ImageFormat::unknown:
      return Status(StatusCode::invalid_file, "not an image (JPEG, PNG, WebP, TIFF, BMP or PNM)");
  }
  if (!status.ok() || orientation == 1) return status;
  if (!turn_upright(image, orientation, scratch)) {
    return Status(StatusCode::out_of_memory, "no memory to turn the image upright");
  }
  scratch.warning = std::move(image.warning);
  std::swap(image, scratch);
  return Status();
}

}  // namespace lemore::cli
