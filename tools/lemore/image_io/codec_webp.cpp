#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>
#include <string>

#include "image_io/decode.h"
#include "image_io/exif.h"

namespace lemore::cli {

namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const noexcept { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;

Status damaged(const char* what) { return Status(StatusCode::invalid_file, std::string("damaged WebP: ") + what); }

/// The orientation that a chunk EXIF gives; some writers put JPEG's prefix before it.
int orientation_of(const WebPDemuxer* demuxer) noexcept {
  WebPChunkIterator chunk{};
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) == 0) return 1;
  constexpr std::size_t k_prefix = 6;
  const bool has_prefix = chunk.chunk.size >= k_prefix && std::memcmp(chunk.chunk.bytes, "Exif\0\0", k_prefix) == 0;
  const std::size_t skipped = has_prefix ? k_prefix : 0;
  const int orientation = exif_orientation(chunk.chunk.bytes + skipped, chunk.chunk.size - skipped);
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

Status status_of(VP8StatusCode code) {
  switch (code) {
    case VP8_STATUS_OK:
      return Status();
    case VP8_STATUS_OUT_OF_MEMORY:
      return Status(StatusCode::out_of_memory, "no memory to decode the WebP");
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return damaged("the file is cut short");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return Status(StatusCode::unsupported, "a WebP with a feature that libwebp does not know");
    default:
      return damaged("its pixels can't be decoded");
  }
}

}  // namespace

Status decode_webp(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image,
                   int& orientation) {
  const WebPData bytes{data, size};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const Demuxer demuxer(WebPDemuxPartial(&bytes, &state));
  if (demuxer == nullptr || state == WEBP_DEMUX_PARSE_ERROR) return damaged("its chunks are not in order");
  if (state != WEBP_DEMUX_DONE) return damaged("the file is cut short");

  // The canvas; the first frame of an animation may fill only a part of it.
  const std::uint32_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const std::uint32_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  if (const Status status = check_image_size(width, height, limits); !status.ok()) return status;
  if (!image.reset(Size{static_cast<int>(height), static_cast<int>(width)}, PixelFormat::rgb))
    return Status(StatusCode::out_of_memory, "no memory for the pixels");

  WebPIterator frame{};
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) return damaged("it has no picture");
  const bool fills_canvas = frame.width == image.size.width && frame.height == image.size.height;
  if (!fills_canvas) std::memset(image.pixels.data(), 0, height * image.row_bytes());  // what is transparent is black
  WebPDecoderConfig config;
  VP8StatusCode code = VP8_STATUS_INVALID_PARAM;
  // The demuxer has checked that frames lie inside the canvas; looking again costs nothing.
  const bool is_inside = frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width >= 1 && frame.height >= 1 &&
                         frame.x_offset <= image.size.width - frame.width &&
                         frame.y_offset <= image.size.height - frame.height;
  if (is_inside && WebPInitDecoderConfig(&config) != 0) {
    const std::size_t first = static_cast<std::size_t>(frame.y_offset) * image.row_bytes() +
                              static_cast<std::size_t>(frame.x_offset) * pixel_bytes(PixelFormat::rgb);
    config.output.colorspace = MODE_RGB;  // alpha is dropped, not blended
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image.pixels.data() + first;
    config.output.u.RGBA.stride = static_cast<int>(image.row_bytes());
    config.output.u.RGBA.size = height * image.row_bytes() - first;
    code = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
    // libwebp keeps to the buffer; a fragment of another size than its frame would leave a part of it unwritten.
    if (code == VP8_STATUS_OK && (config.input.width != frame.width || config.input.height != frame.height))
      code = VP8_STATUS_BITSTREAM_ERROR;
  }
  if (frame.num_frames > 1) image.warning = "the WebP is an animation; its first frame is read";
  WebPDemuxReleaseIterator(&frame);
  orientation = orientation_of(demuxer.get());
  return status_of(code);
}

}  // namespace lemore::cli
