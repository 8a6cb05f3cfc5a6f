#include "image_io/codec_jpeg.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "image_io/decode.h"
#include "image_io/exif.h"

// libjpeg's headers want <cstdio> before them, and its configuration before its error codes.
#include <jpeglib.h>

#include <jerror.h>

namespace lemore::cli {

namespace {

/// More scans than any encoder writes; each costs a pass over the whole picture, so a hostile file is stopped here.
constexpr int k_max_scans = 100;

/// One decoder's state. libjpeg leaves its functions by longjmp on an error, so nothing with a destructor may live in
/// the frames between decode() and the library: all of it is here, owned by a frame outside.
struct JpegDecoder {
  jpeg_decompress_struct cinfo{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};
  bool out_of_memory = false;
  const DecodeLimits* limits = nullptr;
  Image* image = nullptr;
  int orientation = 1;
  Status size_status;
  std::vector<std::uint8_t> cmyk_row;

  bool is_in_pixels = false;     ///< headers are read
  bool lacks_end = false;        ///< the file stopped before its end marker
  bool has_stray_bytes = false;  ///< between or behind the pixels' data
  unsigned components_seen = 0;  ///< a bit for each component that a scan has held

  enum class Outcome { done, library_error, bad_size, no_memory, unsupported };

  JpegDecoder() = default;
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&cinfo); }  // harmless on one that was never created

  Outcome decode(const std::uint8_t* data, std::size_t size);
  Outcome read();
  bool has_all_scans() const noexcept;
};

JpegDecoder* self_of(j_common_ptr cinfo) { return static_cast<JpegDecoder*>(cinfo->client_data); }

[[noreturn]] void on_error(j_common_ptr cinfo) {
  JpegDecoder* self = self_of(cinfo);
  (*cinfo->err->format_message)(cinfo, self->message);
  self->out_of_memory = cinfo->err->msg_code == JERR_OUT_OF_MEMORY;
  std::longjmp(self->escape, 1);
}

/// Whether the scans so far are all that the picture needs, to the last bit of each coefficient.
bool JpegDecoder::has_all_scans() const noexcept {
  if (cinfo.coef_bits == nullptr) return components_seen == (1u << cinfo.num_components) - 1;
  for (int c = 0; c < cinfo.num_components; ++c) {
    for (const int missing_bits : cinfo.coef_bits[c])
      if (missing_bits != 0) return false;  // progressive: -1 for none yet
  }
  return true;
}

/// Damage that leaves a hole or noise in the picture is an error here; oddities that leave it whole are not (stray
/// bytes between segments, unknown Adobe or JFIF versions, a progression that repeats itself).
void on_message(j_common_ptr cinfo, int level) {
  if (level >= 0) return;
  JpegDecoder* self = self_of(cinfo);
  switch (cinfo->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
      self->has_stray_bytes = true;
      return;
    case JWRN_JPEG_EOF:
      if (!self->is_in_pixels) on_error(cinfo);
      self->lacks_end = true;  // if pixels are missing too, JWRN_HIT_MARKER follows or JpegDecoder::read finds out
      return;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      on_error(cinfo);
    default:
      return;
  }
}

void on_progress(j_common_ptr cinfo) {
  const j_decompress_ptr decompress = reinterpret_cast<j_decompress_ptr>(cinfo);
  JpegDecoder* self = self_of(cinfo);
  for (int i = 0; i < decompress->comps_in_scan; ++i)
    self->components_seen |= 1u << decompress->cur_comp_info[i]->component_index;
  if (decompress->input_scan_number <= k_max_scans) return;
  std::snprintf(self->message, sizeof(self->message), "more than %d scans", k_max_scans);
  std::longjmp(self->escape, 1);
}

void on_print(j_common_ptr) {}

int orientation_of(const jpeg_decompress_struct& cinfo) {
  constexpr std::size_t k_prefix = 6;
  for (jpeg_saved_marker_ptr m = cinfo.marker_list; m != nullptr; m = m->next) {
    if (m->marker != JPEG_APP0 + 1 || m->data_length < k_prefix) continue;
    if (std::memcmp(m->data, "Exif\0\0", k_prefix) != 0) continue;
    return exif_orientation(m->data + k_prefix, m->data_length - k_prefix);
  }
  return 1;
}

/// value * scale / 255, rounded.
std::uint8_t times_255th(unsigned value, unsigned scale) {
  const unsigned t = value * scale + 128;
  return static_cast<std::uint8_t>((t + (t >> 8)) >> 8);
}

JpegDecoder::Outcome JpegDecoder::read() {
  jpeg_save_markers(&cinfo, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&cinfo, TRUE);
  size_status = check_image_size(cinfo.image_width, cinfo.image_height, *limits);
  if (!size_status.ok()) return Outcome::bad_size;
  orientation = orientation_of(cinfo);

  const bool is_gray = cinfo.num_components == 1, is_cmyk = cinfo.num_components == 4;
  if (!is_gray && !is_cmyk && cinfo.num_components != 3) {
    std::snprintf(message, sizeof(message), "JPEG with %d components is not supported", cinfo.num_components);
    return Outcome::unsupported;
  }
  cinfo.out_color_space = is_gray ? JCS_GRAYSCALE : is_cmyk ? JCS_CMYK : JCS_RGB;
  is_in_pixels = true;
  jpeg_start_decompress(&cinfo);  // of several scans it reads all
  const bool is_whole = !jpeg_has_multiple_scans(&cinfo) || has_all_scans();
  const Size size{static_cast<int>(cinfo.output_height), static_cast<int>(cinfo.output_width)};
  if (!image->reset(size, is_gray ? PixelFormat::gray : PixelFormat::rgb)) return Outcome::no_memory;
  if (is_cmyk) cmyk_row.resize(static_cast<std::size_t>(size.width) * 4);

  const std::size_t row_bytes = image->row_bytes();
  while (cinfo.output_scanline < cinfo.output_height) {
    std::uint8_t* row = image->pixels.data() + cinfo.output_scanline * row_bytes;
    JSAMPROW target = is_cmyk ? cmyk_row.data() : row;
    jpeg_read_scanlines(&cinfo, &target, 1);
    if (!is_cmyk) continue;
    for (std::size_t x = 0; x < static_cast<std::size_t>(size.width); ++x) {
      const std::uint8_t* ink = cmyk_row.data() + 4 * x;  // 255 - ink: Adobe stores it inverted
      const unsigned k = ink[3];
      for (std::size_t c = 0; c < 3; ++c) {
        row[3 * x + c] = static_cast<std::uint8_t>(k - times_255th(255u - ink[c], k));  // as PIL rounds it
      }
    }
  }
  const bool is_arithmetic = cinfo.arith_code != 0;  // its decoder can't tell whether bytes are missing
  jpeg_finish_decompress(&cinfo);
  if (!lacks_end) return Outcome::done;
  if (is_whole && !is_arithmetic && !has_stray_bytes) {
    image->warning = "the JPEG lacks its end marker; all pixels are there";
    return Outcome::done;
  }
  std::snprintf(message, sizeof(message), "the file is cut short");
  return Outcome::library_error;
}

JpegDecoder::Outcome JpegDecoder::decode(const std::uint8_t* data, std::size_t size) {
  cinfo.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  errors.output_message = on_print;
  cinfo.client_data = this;
  if (setjmp(escape) != 0) return Outcome::library_error;
  jpeg_create_decompress(&cinfo);
  cinfo.client_data = this;
  progress.progress_monitor = on_progress;
  cinfo.progress = &progress;
  jpeg_mem_src(&cinfo, data, static_cast<unsigned long>(size));
  return read();
}

/// One encoder's state, for the same reason as JpegDecoder's.
struct JpegEncoder {
  jpeg_compress_struct cinfo{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* memory = nullptr;  ///< malloc's, by jpeg_mem_dest
  unsigned long size = 0;
  std::vector<std::uint8_t> row, colors;

  JpegEncoder() = default;
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;
  ~JpegEncoder() {
    jpeg_destroy_compress(&cinfo);
    std::free(memory);
  }

  [[noreturn]] static void on_error(j_common_ptr cinfo) {
    JpegEncoder* self = static_cast<JpegEncoder*>(cinfo->client_data);
    (*cinfo->err->format_message)(cinfo, self->message);
    std::longjmp(self->escape, 1);
  }

  bool encode(const PictureRows& picture);
};

bool JpegEncoder::encode(const PictureRows& picture) {
  cinfo.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.output_message = on_print;
  cinfo.client_data = this;
  if (setjmp(escape) != 0) return false;
  jpeg_create_compress(&cinfo);
  cinfo.client_data = this;
  jpeg_mem_dest(&cinfo, &memory, &size);
  const bool is_gray = picture.kind == PictureKind::gray, is_indexed = picture.kind == PictureKind::indexed;
  cinfo.image_width = static_cast<JDIMENSION>(picture.size.width);
  cinfo.image_height = static_cast<JDIMENSION>(picture.size.height);
  cinfo.input_components = is_gray ? 1 : 3;
  cinfo.in_color_space = is_gray ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&cinfo);
  jpeg_set_quality(&cinfo, k_jpeg_quality, TRUE);
  cinfo.comp_info[0].h_samp_factor = cinfo.comp_info[0].v_samp_factor = 1;  // no subsampling
  cinfo.optimize_coding = TRUE;
  jpeg_start_compress(&cinfo, TRUE);
  for (int y = 0; y < picture.size.height; ++y) {
    picture.fill_row(picture.context, y, row.data());
    if (is_indexed) {
      for (std::size_t x = 0; x < row.size(); ++x)
        if (row[x] < picture.palette_size) std::memcpy(&colors[3 * x], picture.palette[row[x]].data(), 3);
    }
    JSAMPROW samples = is_indexed ? colors.data() : row.data();
    jpeg_write_scanlines(&cinfo, &samples, 1);
  }
  jpeg_finish_compress(&cinfo);
  return true;
}

}  // namespace

Status decode_jpeg(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation) {
  JpegDecoder decoder;
  decoder.limits = &limits;
  decoder.image = &image;
  const JpegDecoder::Outcome outcome = decoder.decode(data, size);
  orientation = decoder.orientation;
  switch (outcome) {
    case JpegDecoder::Outcome::done:
      return Status();
    case JpegDecoder::Outcome::bad_size:
      return decoder.size_status;
    case JpegDecoder::Outcome::no_memory:
      return Status(StatusCode::out_of_memory, "no memory for the pixels");
    case JpegDecoder::Outcome::unsupported:
      return Status(StatusCode::unsupported, decoder.message);
    case JpegDecoder::Outcome::library_error:
      break;
  }
  if (decoder.out_of_memory) return Status(StatusCode::out_of_memory, "no memory to decode the JPEG");
  const bool is_foreign = std::strstr(decoder.message, "nsupported") != nullptr;  // 12 bits, lossless, ...
  return Status(is_foreign ? StatusCode::unsupported : StatusCode::invalid_file,
                std::string(is_foreign ? "" : "damaged JPEG: ") + decoder.message);
}

Status encode_jpeg(const PictureRows& picture, std::vector<std::uint8_t>& bytes) {
  if (picture.size.height > k_max_jpeg_side || picture.size.width > k_max_jpeg_side) {
    return Status(StatusCode::unsupported, "a JPEG has at most " + std::to_string(k_max_jpeg_side) +
                                               " pixels a side, the picture has " + std::to_string(picture.size.width) +
                                               "x" + std::to_string(picture.size.height));
  }
  JpegEncoder encoder;
  const auto width = static_cast<std::size_t>(picture.size.width);
  encoder.row.resize(width * (picture.kind == PictureKind::rgb ? 3 : 1));
  if (picture.kind == PictureKind::indexed) encoder.colors.resize(3 * width);
  if (!encoder.encode(picture)) {
    return Status(StatusCode::out_of_memory, std::string("cannot encode JPEG: ") + encoder.message);
  }
  bytes.assign(encoder.memory, encoder.memory + encoder.size);
  return Status();
}

}  // namespace lemore::cli
