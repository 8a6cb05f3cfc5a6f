#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "image_io/decode.h"

namespace lemore::cli {

namespace {

/// Most memory that libtiff may take at once (a tile, a directory's table), in bytes.
constexpr tmsize_t k_max_allocation = tmsize_t{256} << 20;

/// The file in memory, as libtiff reads it, and what it says.
struct Source {
  const std::uint8_t* data = nullptr;
  std::uint64_t size = 0, at = 0;
  char error[160] = {};
  bool warnings_are_damage = false;
  bool is_damaged = false;

  static Source* of(thandle_t handle) noexcept { return static_cast<Source*>(handle); }

  static tmsize_t read(thandle_t handle, void* to, tmsize_t bytes) {
    Source* self = of(handle);
    const std::uint64_t left = self->size - std::min(self->at, self->size);
    const std::uint64_t count = std::min<std::uint64_t>(left, bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0);
    std::memcpy(to, self->data + std::min(self->at, self->size), count);
    self->at += count;
    return static_cast<tmsize_t>(count);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t handle, toff_t to, int whence) {
    Source* self = of(handle);
    self->at = whence == SEEK_SET ? to : whence == SEEK_CUR ? self->at + to : self->size + to;
    return self->at;
  }
  static int close(thandle_t) { return 0; }
  static toff_t length(thandle_t handle) { return of(handle)->size; }
  static int map(thandle_t handle, void** base, toff_t* size) {
    *base = const_cast<std::uint8_t*>(of(handle)->data);  // opened for reading: libtiff copies before it changes bytes
    *size = of(handle)->size;
    return 1;
  }
  static void unmap(thandle_t, void*, toff_t) {}

  static int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    Source* self = static_cast<Source*>(user);
    if (!self->is_damaged) std::vsnprintf(self->error, sizeof self->error, format, arguments);
    self->is_damaged = true;
    return 1;
  }
  static int on_warning(TIFF* tiff, void* user, const char* module, const char* format, va_list arguments) {
    return static_cast<Source*>(user)->warnings_are_damage ? on_error(tiff, user, module, format, arguments) : 1;
  }
};

struct CloseTiff {
  void operator()(TIFF* tiff) const noexcept { TIFFClose(tiff); }
};
using TiffFile = std::unique_ptr<TIFF, CloseTiff>;

TiffFile open(Source& source) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return nullptr;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, k_max_allocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options, Source::on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, Source::on_warning, &source);
  TiffFile file(TIFFClientOpenExt("", "r", &source, Source::read, Source::write, Source::seek, Source::close,
                                  Source::length, Source::map, Source::unmap, options));
  TIFFOpenOptionsFree(options);
  return file;
}

Status unsupported(const std::string& what) {
  return Status(StatusCode::unsupported, "TIFF " + what + " is not supported");
}

/// libtiff's message, with its context ("name: "), as one printable line.
Status damaged(const Source& source) {
  std::string what = source.error[0] != '\0' ? source.error : "its pixels can't be decoded";
  for (char& c : what)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
  while (!what.empty() && (what.back() == '.' || what.back() == ' ')) what.pop_back();
  return Status(StatusCode::invalid_file, "damaged TIFF: " + what);
}

/// How the samples of a picture are stored.
struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, photometric = 0, planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;
  std::uint16_t colors = 1;            ///< samples that make the colour; the others are alpha or unknown
  bool is_premultiplied = false;       ///< the first extra sample is alpha, and the colours are multiplied by it
  bool is_painted_by_libtiff = false;  ///< YCbCr: libtiff converts it
  const std::uint16_t* map[3] = {};    ///< of a palette
  unsigned map_shift = 8;              ///< its entries have 16 bits, or, wrongly but commonly, 8

  bool is_planar() const noexcept { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
};

Status read_layout(TIFF* tiff, const DecodeLimits& limits, Layout& out) {
  if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &out.width) == 0 ||
      TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &out.height) == 0)
    return Status(StatusCode::invalid_file, "damaged TIFF: it has no width and height");
  if (const Status status = check_image_size(out.width, out.height, limits); !status.ok()) return status;
  std::uint16_t format = SAMPLEFORMAT_UINT, extras = 0;
  const std::uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &out.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &out.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &out.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &out.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
  if (TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &out.photometric) == 0)
    return Status(StatusCode::invalid_file,
                  "damaged TIFF: it does not say what its samples mean (PhotometricInterpretation)");
  if (out.compression == COMPRESSION_OJPEG) return unsupported("with old-style JPEG compression");
  if (TIFFIsCODECConfigured(out.compression) == 0)
    return unsupported("of compression " + std::to_string(out.compression));
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
    return unsupported(format == SAMPLEFORMAT_IEEEFP ? "of floating-point samples" : "of signed or complex samples");
  if (out.bits != 1 && out.bits != 2 && out.bits != 4 && out.bits != 8 && out.bits != 16)
    return unsupported("of " + std::to_string(out.bits) + "-bit samples");

  switch (out.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
      out.colors = 1;
      break;
    case PHOTOMETRIC_RGB:
      out.colors = 3;
      break;
    case PHOTOMETRIC_SEPARATED: {
      std::uint16_t inks = INKSET_CMYK;
      TIFFGetFieldDefaulted(tiff, TIFFTAG_INKSET, &inks);
      if (inks != INKSET_CMYK) return unsupported("of inks other than CMYK");
      out.colors = 4;
      break;
    }
    case PHOTOMETRIC_YCBCR:
      out.colors = 3;
      if (out.compression == COMPRESSION_JPEG && out.planar == PLANARCONFIG_CONTIG) {
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      } else {
        char reason[1024] = {};
        if (TIFFRGBAImageOK(tiff, reason) == 0) return unsupported("of YCbCr samples stored this way");
        out.is_painted_by_libtiff = true;
      }
      break;
    default:
      return unsupported("of photometric interpretation " + std::to_string(out.photometric));
  }
  if (out.samples < out.colors || out.samples > out.colors + 1) {
    return unsupported("with " + std::to_string(out.samples) + " samples a pixel (expected " +
                       std::to_string(out.colors) + ", or one more for alpha)");
  }
  if (out.is_planar() && out.photometric == PHOTOMETRIC_SEPARATED) return unsupported("of CMYK planes");
  if (out.bits < 8 && (out.samples > 1 || out.colors > 1)) return unsupported("of colours of less than 8 bits");
  out.is_premultiplied =
      out.samples > out.colors && extras > 0 && kinds != nullptr && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  if (out.is_planar() && out.is_premultiplied) return unsupported("of planes multiplied by alpha");
  if (out.photometric == PHOTOMETRIC_PALETTE) {
    if (out.is_planar()) return unsupported("of a palette with alpha in planes");
    std::uint16_t *r = nullptr, *g = nullptr, *b = nullptr;
    if (out.bits > 8) return unsupported("of a palette of 16-bit places");
    if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &r, &g, &b) == 0 || r == nullptr || g == nullptr || b == nullptr)
      return Status(StatusCode::invalid_file, "damaged TIFF: it has no palette");
    const std::size_t count = std::size_t{1} << out.bits;
    out.map[0] = r, out.map[1] = g, out.map[2] = b;
    bool is_wide = false;
    for (const std::uint16_t* channel : out.map)
      is_wide = is_wide || std::any_of(channel, channel + count, [](std::uint16_t v) { return v > 255; });
    out.map_shift = is_wide ? 8 : 0;
  }
  return Status();
}

/// value * scale / 255, rounded.
std::uint8_t times_255th(unsigned value, unsigned scale) noexcept {
  const unsigned t = value * scale + 128;
  return static_cast<std::uint8_t>((t + (t >> 8)) >> 8);
}

/// Turns rows of samples as they are stored into rows of an Image.
class Painter {
 public:
  Painter(const Layout& layout, Image& image) : layout_(layout), image_(image) {}

  /// `from` has `count` pixels of row y, from column x on: all samples of each (`plane` 0), or one plane's. Of planes
  /// only those that make the colour are wanted.
  void paint(const std::uint8_t* from, std::uint32_t y, std::uint32_t x, std::size_t count,
             std::uint16_t plane) noexcept {
    const std::size_t channels = pixel_bytes(image_.format);
    std::uint8_t* to = image_.pixels.data() + y * image_.row_bytes() + x * channels;
    if (layout_.is_planar()) {
      if (plane < channels)
        for (std::size_t i = 0; i < count; ++i) to[i * channels + plane] = sample(from, i);
      return;
    }
    const std::size_t step = layout_.samples;
    switch (layout_.photometric) {
      case PHOTOMETRIC_PALETTE:
        for (std::size_t i = 0; i < count; ++i, to += 3) {
          const std::size_t place = stored(from, i * step);
          for (std::size_t c = 0; c < 3; ++c)
            to[c] = static_cast<std::uint8_t>(layout_.map[c][place] >> layout_.map_shift);
        }
        return;
      case PHOTOMETRIC_SEPARATED:
        for (std::size_t i = 0; i < count; ++i, to += 3) {
          const unsigned white = 255u - sample(from, i * step + 3);
          for (std::size_t c = 0; c < 3; ++c) {
            const unsigned ink = times_255th(sample(from, i * step + c), white);
            to[c] = static_cast<std::uint8_t>(white - ink);
          }
        }
        return;
      default:
        for (std::size_t i = 0; i < count; ++i, to += channels) {
          for (std::size_t c = 0; c < channels; ++c) to[c] = sample(from, i * step + c);
          if (!layout_.is_premultiplied) continue;
          const unsigned alpha = sample(from, i * step + channels);
          for (std::size_t c = 0; c < channels; ++c)
            to[c] = static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(255u, 255u * to[c] / alpha));
        }
    }
  }

 private:
  /// The i-th sample as it stands.
  unsigned stored(const std::uint8_t* from, std::size_t i) const noexcept {
    if (layout_.bits == 8) return from[i];
    if (layout_.bits == 16) {
      std::uint16_t value = 0;
      std::memcpy(&value, from + 2 * i, 2);  // libtiff has brought it into this machine's order
      return value;
    }
    const std::size_t per_byte = 8u / layout_.bits;
    const std::size_t shift = (per_byte - 1 - i % per_byte) * layout_.bits;
    return from[i / per_byte] >> shift & ((1u << layout_.bits) - 1);
  }
  /// The i-th sample in 0..255, rounded; white above black.
  std::uint8_t sample(const std::uint8_t* from, std::size_t i) const noexcept {
    const unsigned largest = (1u << layout_.bits) - 1;
    const unsigned scaled = (stored(from, i) * 255 + largest / 2) / largest;
    return static_cast<std::uint8_t>(layout_.photometric == PHOTOMETRIC_MINISWHITE ? 255 - scaled : scaled);
  }

  const Layout& layout_;
  Image& image_;
};

/// Strips row by row, so a strip is never held as a whole.
bool read_rows(TIFF* tiff, const Layout& layout, Painter& painter, ByteBuffer& buffer) {
  const tmsize_t bytes = TIFFScanlineSize(tiff);
  const std::uint64_t per_pixel = std::uint64_t{layout.bits} * (layout.is_planar() ? 1 : layout.samples);
  if (bytes <= 0 || static_cast<std::uint64_t>(bytes) < (layout.width * per_pixel + 7) / 8) return false;
  if (!buffer.reserve(static_cast<std::size_t>(bytes))) return false;
  const std::uint16_t planes = layout.is_planar() ? layout.samples : 1;
  for (std::uint16_t plane = 0; plane < planes; ++plane) {
    for (std::uint32_t y = 0; y < layout.height; ++y) {
      if (TIFFReadScanline(tiff, buffer.data(), y, plane) != 1) return false;
      painter.paint(buffer.data(), y, 0, layout.width, plane);
    }
  }
  return true;
}

bool read_tiles(TIFF* tiff, const Layout& layout, Painter& painter, ByteBuffer& buffer) {
  std::uint32_t width = 0, height = 0;
  if (TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width) == 0 || TIFFGetField(tiff, TIFFTAG_TILELENGTH, &height) == 0)
    return false;
  const tmsize_t bytes = TIFFTileSize(tiff), row = TIFFTileRowSize(tiff);
  const std::uint64_t per_pixel = std::uint64_t{layout.bits} * (layout.is_planar() ? 1 : layout.samples);
  if (width == 0 || height == 0 || bytes <= 0 || bytes > k_max_allocation || row <= 0) return false;
  if (static_cast<std::uint64_t>(row) < (width * per_pixel + 7) / 8 || static_cast<std::uint64_t>(bytes / row) < height)
    return false;
  if (!buffer.reserve(static_cast<std::size_t>(bytes))) return false;
  const std::uint16_t planes = layout.is_planar() ? layout.samples : 1;
  for (std::uint16_t plane = 0; plane < planes; ++plane) {
    for (std::uint32_t y0 = 0; y0 < layout.height; y0 += std::min(height, layout.height - y0)) {
      for (std::uint32_t x0 = 0; x0 < layout.width; x0 += std::min(width, layout.width - x0)) {
        if (TIFFReadTile(tiff, buffer.data(), x0, y0, 0, plane) != bytes) return false;
        const std::uint32_t rows = std::min(height, layout.height - y0), count = std::min(width, layout.width - x0);
        for (std::uint32_t y = 0; y < rows; ++y)
          painter.paint(buffer.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(row), y0 + y, x0, count,
                        plane);
      }
    }
  }
  return true;
}

/// What libtiff converts itself, at 4 bytes a pixel more.
bool read_painted(TIFF* tiff, const Layout& layout, Image& image, ByteBuffer& buffer) {
  const std::size_t pixels = std::size_t{layout.width} * layout.height;
  if (!buffer.reserve(4 * pixels)) return false;
  auto* raster = reinterpret_cast<std::uint32_t*>(buffer.data());
  // Rows as they are stored: the orientation is applied by the caller, as for every format.
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  if (TIFFReadRGBAImageOriented(tiff, layout.width, layout.height, raster, orientation, 1) == 0) return false;
  std::uint8_t* to = image.pixels.data();
  for (std::size_t i = 0; i < pixels; ++i, to += 3) {
    to[0] = static_cast<std::uint8_t>(TIFFGetR(raster[i]));
    to[1] = static_cast<std::uint8_t>(TIFFGetG(raster[i]));
    to[2] = static_cast<std::uint8_t>(TIFFGetB(raster[i]));
  }
  return true;
}

}  // namespace

Status decode_tiff(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation) {
  Source source;
  source.data = data;
  source.size = size;
  const TiffFile file = open(source);
  if (file == nullptr) return damaged(source);
  TIFF* tiff = file.get();
  Layout layout;
  if (const Status status = read_layout(tiff, limits, layout); !status.ok()) return status;
  const bool is_gray = layout.colors == 1 && layout.photometric != PHOTOMETRIC_PALETTE;
  if (!image.reset(Size{static_cast<int>(layout.height), static_cast<int>(layout.width)},
                   is_gray ? PixelFormat::gray : PixelFormat::rgb)) {
    return Status(StatusCode::out_of_memory, "no memory for the pixels");
  }
  // These two codecs continue after damage and only warn.
  source.warnings_are_damage = layout.compression == COMPRESSION_JPEG || layout.compression == COMPRESSION_CCITTFAX3 ||
                               layout.compression == COMPRESSION_CCITTFAX4 ||
                               layout.compression == COMPRESSION_CCITTRLE ||
                               layout.compression == COMPRESSION_CCITTRLEW;
  source.is_damaged = false;
  ByteBuffer buffer;
  Painter painter(layout, image);
  const bool is_read = layout.is_painted_by_libtiff ? read_painted(tiff, layout, image, buffer)
                       : TIFFIsTiled(tiff) != 0     ? read_tiles(tiff, layout, painter, buffer)
                                                    : read_rows(tiff, layout, painter, buffer);
  if (!is_read || source.is_damaged) return damaged(source);

  std::uint16_t stored_orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &stored_orientation);
  orientation = stored_orientation >= 1 && stored_orientation <= 8 ? stored_orientation : 1;
  if (TIFFLastDirectory(tiff) == 0) image.warning = "the TIFF has more than one page; the first is read";
  return Status();
}

}  // namespace lemore::cli
