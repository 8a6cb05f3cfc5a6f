#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/image.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// How luma and chroma stand for colours: ITU-R BT.601 (standard definition) or BT.709 (high definition).
enum class ColorMatrix : std::uint8_t { bt601, bt709 };

/// Frames of at least this height are BT.709 unless something says otherwise, as players and encoders have it.
constexpr int k_least_hd_height = 720;

/// How the frames of an uncompressed 8-bit video lie in a stream.
struct VideoFormat {
  enum class Layout : std::uint8_t {
    rgb24,   ///< 3 bytes a pixel, no header
    yuv420,  ///< planes; chroma halved both ways, rounded up
    yuv444
  };
  Layout layout = Layout::rgb24;
  Size size;
  bool is_full_range = false;  ///< YUV 0..255 instead of 16..235
  ColorMatrix matrix = ColorMatrix::bt601;

  bool is_y4m() const noexcept { return layout != Layout::rgb24; }
  std::size_t pixels() const noexcept;
  /// Height and width of a chroma plane; of the picture where it is not halved.
  Size chroma_size() const noexcept;
  std::size_t chroma_bytes() const noexcept;
  std::size_t frame_bytes() const noexcept;
};

/// Longest header or FRAME line of YUV4MPEG2 that is read.
constexpr std::size_t k_max_y4m_line = 1024;

/// "raw:WxH:rgb24" as --frames takes it. Errors: invalid_argument.
Result<VideoFormat> parse_raw_format(std::string_view text, std::uint64_t max_pixels);

/// The first line of a YUV4MPEG2 stream, without its end. 4:2:0 and 4:4:4 of 8 bits; no C means 4:2:0. The range is
/// what XCOLORRANGE says, limited without it. A stream does not name its matrix: it follows from the height.
/// Errors    invalid_file, unsupported: what was expected and what came
/// Source    https://wiki.multimedia.cx/index.php/YUV4MPEG2; mjpegtools, yuv4mpeg(5)
Result<VideoFormat> parse_y4m_header(std::string_view line, std::uint64_t max_pixels);

/// Whether `line`, without its end, begins a frame.
bool is_y4m_frame_line(std::string_view line) noexcept;

/// Sets the matrix of `format` to "bt601" or "bt709", as --colorspace names them; "auto" leaves it as it is.
/// Errors    invalid_argument, also for anything but auto where the frames are RGB
Status choose_matrix(std::string_view name, VideoFormat& format);

/// A frame's pixels as RGB, 3 bytes each, by the format's matrix and range. Not for rgb24.
void to_rgb(const VideoFormat& format, const std::uint8_t* frame, std::uint8_t* rgb) noexcept;

/// Paints classes over frames in the frames' own components, so what is not painted keeps its bytes.
class FramePainter {
 public:
  FramePainter(const VideoFormat& format, const Palette& palette, double opacity);
  /// `labels` has one byte a pixel, without padding.
  void paint(const std::uint8_t* labels, std::uint8_t* frame) const noexcept;

 private:
  VideoFormat format_;
  std::array<std::array<std::uint8_t, 3>, 256> colors_{};
  std::array<unsigned, 256> opacity_256_{};  ///< 0 for classes that are not painted
};

}  // namespace lemore::cli
