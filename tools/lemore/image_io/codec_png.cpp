#include "image_io/codec_png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "image_io/decode.h"
#include "image_io/exif.h"

namespace lemore::cli {

namespace {

/// Largest ancillary chunk that is held, in bytes; EXIF blocks are below 64 KiB.
constexpr png_alloc_size_t k_max_chunk = png_alloc_size_t{1} << 20;
/// Bytes that may follow the last row's data inside IDAT.
constexpr std::size_t k_slack = std::size_t{1} << 16;

/// Whether a chunk before IEND, other than the pixels, declares more bytes than the file has left. libpng takes memory
/// for EXIF before it reads it, up to 2 GB: beyond its own limit it only warns.
bool is_cut_short(const std::uint8_t* data, std::size_t size) noexcept {
  constexpr std::size_t k_signature = 8, k_around = 12;  // length, type and checksum
  for (std::size_t at = k_signature; size - std::min(size, at) >= k_around;) {
    const std::size_t length =
        std::size_t{data[at]} << 24 | std::size_t{data[at + 1]} << 16 | std::size_t{data[at + 2]} << 8 | data[at + 3];
    if (length > size - at - k_around) return std::memcmp(data + at + 4, "IDAT", 4) != 0;
    if (std::memcmp(data + at + 4, "IEND", 4) == 0) return false;
    at += length + k_around;
  }
  return false;
}

/// libpng leaves by longjmp on an error; nothing with a destructor lives in frames that are jumped over.
struct PngErrors {
  std::jmp_buf escape{};
  char message[160] = {};

  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    PngErrors* self = static_cast<PngErrors*>(png_get_error_ptr(png));
    std::snprintf(self->message, sizeof(self->message), "%s", text);
    std::longjmp(self->escape, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
};

struct PngDecoder {
  PngErrors errors;
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::uint8_t* data = nullptr;
  std::size_t left = 0;
  std::size_t budget = SIZE_MAX;  // bytes that may still be read
  const DecodeLimits* limits = nullptr;
  Image* image = nullptr;
  /// How samples are read: for pictures as 8 bits, palettes expanded; for values as they are stored, of at most 8
  /// bits or (into `wide`) of any.
  enum class Kind { picture, values, wide_values };
  Kind kind = Kind::picture;
  LabelSamples* wide = nullptr;
  int orientation = 1;
  Status refusal;

  enum class Outcome { done, library_error, refused, no_memory };

  PngDecoder() = default;
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png, &info, nullptr); }

  static void on_read(png_structp png, png_bytep to, std::size_t bytes) {
    PngDecoder* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (bytes > self->left) png_error(png, "the file is cut short");
    if (bytes > self->budget) png_error(png, "more data than the picture has");
    self->budget -= bytes;
    std::memcpy(to, self->data, bytes);
    self->data += bytes;
    self->left -= bytes;
  }

  void find_orientation() {
    png_uint_32 bytes = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png, info, &bytes, &exif) != 0 && exif != nullptr) orientation = exif_orientation(exif, bytes);
  }

  /// Why the PNG cannot be an annotation, or null.
  const char* wrong_kind_of_values() const {
    const png_byte type = png_get_color_type(png, info);
    if (type == PNG_COLOR_TYPE_PALETTE) return nullptr;
    if ((type & PNG_COLOR_MASK_COLOR) != 0) return "colours";
    if (kind == Kind::wide_values) return nullptr;
    if ((type & PNG_COLOR_MASK_ALPHA) != 0) return "gray with alpha";
    return png_get_bit_depth(png, info) == 16 ? "16-bit gray" : nullptr;
  }

  /// Asks for the samples as they are wanted.
  void set_transforms() {
    const png_byte type = png_get_color_type(png, info);
    if (kind != Kind::picture) {
      png_set_packing(png);  // a byte each, not scaled
      png_set_strip_alpha(png);
      const std::uint16_t one = 1;
      std::uint8_t low = 0;
      std::memcpy(&low, &one, 1);
      if (low == 1 && png_get_bit_depth(png, info) == 16) png_set_swap(png);  // PNG has the high byte first
      png_set_check_for_invalid_index(png, 0);  // values beyond the palette are for the caller to judge
      return;
    }
    if (png_get_bit_depth(png, info) == 16) png_set_scale_16(png);  // (v * 255 + 32895) >> 16 = round(v * 255 / 65535)
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
  }

  Outcome decode();
  Status status_of(Outcome outcome) const;
};

PngDecoder::Outcome PngDecoder::decode() {
  if (is_cut_short(data, left)) {
    refusal = Status(StatusCode::invalid_file, "damaged PNG: the file is cut short");
    return Outcome::refused;
  }
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors, PngErrors::on_error, PngErrors::on_warning);
  if (png == nullptr) return Outcome::no_memory;
  if (setjmp(errors.escape) != 0) return Outcome::library_error;
  info = png_create_info_struct(png);
  if (info == nullptr) return Outcome::no_memory;
  png_set_read_fn(png, this, on_read);
  png_set_chunk_malloc_max(png, k_max_chunk);
  png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);  // our own limits are checked below, with a message of our own
  // Chunks that do not matter here are skipped, not inflated: a profile or a text may be a decompression bomb.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER,
                              reinterpret_cast<png_const_bytep>("iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0hIST\0pCAL\0sCAL"), 8);
  png_read_info(png, info);

  const png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  refusal = check_image_size(width, height, *limits);
  if (!refusal.ok()) return Outcome::refused;
  if (const char* wrong = kind != Kind::picture ? wrong_kind_of_values() : nullptr) {
    const char* expected = kind == Kind::values
                               ? "; labels are gray PNGs of at most 8 bits or indexed PNGs, unless --label-map says "
                                 "what others mean"
                               : ", but the label map lists \"values\"";
    refusal = Status(StatusCode::unsupported, std::string("a PNG of ") + wrong + expected);
    return Outcome::refused;
  }
  const bool is_gray = kind != Kind::picture || (png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) == 0;
  const bool is_wide = kind == Kind::wide_values && png_get_bit_depth(png, info) == 16;
  set_transforms();
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);

  const Size size{static_cast<int>(height), static_cast<int>(width)};
  const std::size_t row_bytes = static_cast<std::size_t>(width) * (is_wide ? 2 : is_gray ? 1 : 3);
  std::uint8_t* pixels = nullptr;
  if (wide != nullptr) {
    wide->size = size;
    wide->is_wide = is_wide;
    if (wide->bytes.reserve(row_bytes * height)) pixels = wide->bytes.data();
  } else if (image->reset(size, is_gray ? PixelFormat::gray : PixelFormat::rgb)) {
    pixels = image->pixels.data();
  }
  if (pixels == nullptr) return Outcome::no_memory;
  if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "unexpected row size");
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < size.height; ++y) {
      // After the last row libpng inflates whatever follows, which may be a bomb, so what it may read is bounded. 16
      // bytes for each byte of the row are more than any split into chunks needs.
      if (pass + 1 == passes && y + 1 == size.height) budget = 16 * row_bytes + k_slack;
      png_read_row(png, pixels + static_cast<std::size_t>(y) * row_bytes, nullptr);
    }
  }
  budget = SIZE_MAX;
  png_read_end(png, info);
  find_orientation();
  return Outcome::done;
}

Status PngDecoder::status_of(Outcome outcome) const {
  switch (outcome) {
    case Outcome::done:
      return Status();
    case Outcome::refused:
      return refusal;
    case Outcome::no_memory:
      return Status(StatusCode::out_of_memory, "no memory for the pixels");
    case Outcome::library_error:
      break;
  }
  return Status(StatusCode::invalid_file, std::string("damaged PNG: ") + errors.message);
}

struct PngEncoder {
  PngErrors errors;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::uint8_t>* bytes = nullptr;
  std::vector<std::uint8_t> row;

  PngEncoder() = default;
  PngEncoder(const PngEncoder&) = delete;
  PngEncoder& operator=(const PngEncoder&) = delete;
  ~PngEncoder() { png_destroy_write_struct(&png, &info); }

  static bool append(std::vector<std::uint8_t>& to, const std::uint8_t* from, std::size_t size) noexcept {
    try {
      to.insert(to.end(), from, from + size);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  static void on_write(png_structp png, png_bytep from, std::size_t size) {
    PngEncoder* self = static_cast<PngEncoder*>(png_get_io_ptr(png));
    if (!append(*self->bytes, from, size)) png_error(png, "no memory for the encoded picture");
  }
  static void on_flush(png_structp) {}

  bool encode(const PictureRows& picture);
};

bool PngEncoder::encode(const PictureRows& picture) {
  png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, PngErrors::on_error, PngErrors::on_warning);
  if (png == nullptr) return false;
  if (setjmp(errors.escape) != 0) return false;
  info = png_create_info_struct(png);
  if (info == nullptr) return false;
  png_set_write_fn(png, this, on_write, on_flush);
  png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);

  const bool is_indexed = picture.kind == PictureKind::indexed;
  const int color_type = is_indexed                          ? PNG_COLOR_TYPE_PALETTE
                         : picture.kind == PictureKind::gray ? PNG_COLOR_TYPE_GRAY
                                                             : PNG_COLOR_TYPE_RGB;
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.size.width), static_cast<png_uint_32>(picture.size.height),
               8, color_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (is_indexed) {
    png_color palette[256];
    for (std::size_t i = 0; i < picture.palette_size; ++i) {
      palette[i] = png_color{picture.palette[i][0], picture.palette[i][1], picture.palette[i][2]};
    }
    png_set_PLTE(png, info, palette, static_cast<int>(picture.palette_size));
  }
  png_set_filter(png, PNG_FILTER_TYPE_BASE, picture.photographic ? PNG_FILTER_SUB : PNG_FILTER_NONE);
  png_set_compression_level(png, picture.photographic ? k_png_photo_level : k_png_flat_level);
  png_write_info(png, info);
  for (int y = 0; y < picture.size.height; ++y) {
    picture.fill_row(picture.context, y, row.data());
    png_write_row(png, row.data());
  }
  png_write_end(png, info);
  return true;
}

}  // namespace

Status decode_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                  int& orientation) {
  PngDecoder decoder;
  decoder.data = data;
  decoder.left = size;
  decoder.limits = &limits;
  decoder.image = &image;
  const PngDecoder::Outcome outcome = decoder.decode();
  orientation = decoder.orientation;
  return decoder.status_of(outcome);
}

namespace {

/// An annotation must be a PNG.
Status check_is_png(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return Status(StatusCode::invalid_file, "the file is empty");
  const FormatInfo found = sniff_format(data, size);
  if (found.format == ImageFormat::png) return Status();
  if (found.format == ImageFormat::unknown) return Status(StatusCode::invalid_file, "not a PNG");
  return Status(StatusCode::unsupported, std::string(found.name) + "; labels are PNGs");
}

}  // namespace

Status decode_label_png(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& values) {
  if (const Status status = check_is_png(data, size); !status.ok()) return status;
  PngDecoder decoder;
  decoder.data = data;
  decoder.left = size;
  decoder.limits = &limits;
  decoder.image = &values;
  decoder.kind = PngDecoder::Kind::values;
  return decoder.status_of(decoder.decode());
}

Status decode_label_samples(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits,
                            LabelSamples& samples) {
  if (const Status status = check_is_png(data, size); !status.ok()) return status;
  PngDecoder decoder;
  decoder.data = data;
  decoder.left = size;
  decoder.limits = &limits;
  decoder.wide = &samples;
  decoder.kind = PngDecoder::Kind::wide_values;
  return decoder.status_of(decoder.decode());
}

Status decode_label_colors(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& colors) {
  if (const Status status = check_is_png(data, size); !status.ok()) return status;
  int orientation = 1;
  return decode_png(data, size, limits, colors, orientation);
}

Status encode_png(const PictureRows& picture, std::vector<std::uint8_t>& bytes) {
  bytes.clear();
  PngEncoder encoder;
  encoder.bytes = &bytes;
  encoder.row.resize(static_cast<std::size_t>(picture.size.width) * (picture.kind == PictureKind::rgb ? 3 : 1));
  if (encoder.encode(picture)) return Status();
  return Status(StatusCode::out_of_memory, std::string("cannot encode PNG: ") + encoder.errors.message);
}

}  // namespace lemore::cli
