#include "frames/video.h"

#include <algorithm>
#include <charconv>

#include "lemore/model.h"
#include "report.h"

namespace lemore::cli {

namespace {

std::string shown(std::string_view text) {
  constexpr std::size_t k_most = 60;
  return "'" + one_line(text.substr(0, k_most)) + (text.size() > k_most ? "..." : "") + "'";
}

/// A whole decimal number 1..k_max_input, or 0.
int parse_extent(std::string_view text) noexcept {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && value >= 1 && value <= k_max_input ? value : 0;
}

Status check_pixels(const VideoFormat& format, std::uint64_t max_pixels) {
  if (format.pixels() <= max_pixels) return Status();
  return Status(StatusCode::invalid_file, "frames of " + std::to_string(format.pixels()) +
                                              " pixels: expected at most " + std::to_string(max_pixels) +
                                              " (--max-pixels)");
}

std::uint8_t rounded(int value_256ths) noexcept {
  return static_cast<std::uint8_t>(std::clamp((value_256ths + 128) >> 8, 0, 255));
}

std::array<std::uint8_t, 3> to_yuv(const Rgb& color, bool is_full_range) noexcept {
  const int r = color[0], g = color[1], b = color[2];
  if (is_full_range) {
    return {rounded(77 * r + 150 * g + 29 * b), rounded(-43 * r - 85 * g + 128 * b + (128 << 8)),
            rounded(128 * r - 107 * g - 21 * b + (128 << 8))};
  }
  return {rounded(66 * r + 129 * g + 25 * b + (16 << 8)), rounded(-38 * r - 74 * g + 112 * b + (128 << 8)),
          rounded(112 * r - 94 * g - 18 * b + (128 << 8))};
}

std::size_t area(Size size) noexcept {
  return static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width);
}

}  // namespace

std::size_t VideoFormat::pixels() const noexcept { return area(size); }

Size VideoFormat::chroma_size() const noexcept {
  return layout == Layout::yuv420 ? Size{(size.height + 1) / 2, (size.width + 1) / 2} : size;
}

std::size_t VideoFormat::chroma_bytes() const noexcept { return area(chroma_size()); }

std::size_t VideoFormat::frame_bytes() const noexcept {
  return is_y4m() ? pixels() + 2 * chroma_bytes() : 3 * pixels();
}

Result<VideoFormat> parse_raw_format(std::string_view text, std::uint64_t max_pixels) {
  const std::string_view prefix = "raw:", suffix = ":rgb24";
  VideoFormat format;
  if (text.size() > prefix.size() + suffix.size() && text.substr(0, prefix.size()) == prefix &&
      text.substr(text.size() - suffix.size()) == suffix) {
    const std::string_view extents = text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
    const std::size_t x = extents.find('x');
    if (x != std::string_view::npos)
      format.size = {parse_extent(extents.substr(x + 1)), parse_extent(extents.substr(0, x))};
  }
  if (format.size.height == 0 || format.size.width == 0) {
    return Status(StatusCode::invalid_argument, "--frames: expected y4m or raw:WxH:rgb24 with 1.." +
                                                    std::to_string(k_max_input) + " pixels a side, got " + shown(text));
  }
  if (Status status = check_pixels(format, max_pixels); !status.ok()) return status;
  return format;
}

Result<VideoFormat> parse_y4m_header(std::string_view line, std::uint64_t max_pixels) {
  const std::string_view magic = "YUV4MPEG2";
  const auto invalid = [](const std::string& what) { return Status(StatusCode::invalid_file, "y4m header: " + what); };
  if (line.substr(0, magic.size()) != magic || (line.size() > magic.size() && line[magic.size()] != ' '))
    return invalid("expected 'YUV4MPEG2', got " + shown(line));
  VideoFormat format;
  format.layout = VideoFormat::Layout::yuv420;
  bool has_color = false;
  for (std::string_view rest = line.substr(magic.size()); !rest.empty();) {
    rest.remove_prefix(1);  // the space
    const std::string_view token = rest.substr(0, rest.find(' '));
    rest.remove_prefix(token.size());
    if (token.empty()) continue;
    const std::string_view value = token.substr(1);
    if (token[0] == 'W' || token[0] == 'H') {
      int& extent = token[0] == 'W' ? format.size.width : format.size.height;
      if (extent != 0) return invalid(std::string(1, token[0]) + " is there twice");
      extent = parse_extent(value);
      if (extent == 0) {
        return invalid(std::string(1, token[0]) + ": expected 1.." + std::to_string(k_max_input) + ", got " +
                       shown(value));
      }
    } else if (token[0] == 'C') {
      if (has_color) return invalid("C is there twice");
      has_color = true;
      if (value == "444") {
        format.layout = VideoFormat::Layout::yuv444;
      } else if (value != "420" && value != "420jpeg" && value != "420mpeg2" && value != "420paldv") {
        return Status(StatusCode::unsupported, "y4m header: C: expected 420 or 444 of 8 bits, got " + shown(value));
      }
    } else if (token == "XCOLORRANGE=FULL") {
      format.is_full_range = true;
    }  // frame rate, aspect, interlacing, comments: go out as they came
  }
  if (format.size.width == 0 || format.size.height == 0) return invalid("expected W and H");
  if (Status status = check_pixels(format, max_pixels); !status.ok()) return status;
  return format;
}

bool is_y4m_frame_line(std::string_view line) noexcept { return line == "FRAME" || line.substr(0, 6) == "FRAME "; }

void to_rgb(const VideoFormat& format, const std::uint8_t* frame, std::uint8_t* rgb) noexcept {
  const int shift = format.layout == VideoFormat::Layout::yuv420 ? 1 : 0;
  const std::uint8_t* luma = frame;
  const std::size_t chroma_width = static_cast<std::size_t>(format.chroma_size().width);
  // 256ths: of luma, V to red, U and V to green, U to blue.
  const bool full = format.is_full_range;
  const int black = full ? 0 : 16, of_y = full ? 256 : 298;
  const int v_r = full ? 359 : 409, u_g = full ? 88 : 100, v_g = full ? 183 : 208, u_b = full ? 454 : 516;
  for (int y = 0; y < format.size.height; ++y) {
    const std::uint8_t* u = frame + format.pixels() + static_cast<std::size_t>(y >> shift) * chroma_width;
    const std::uint8_t* v = u + format.chroma_bytes();
    for (int x = 0; x < format.size.width; ++x, rgb += 3) {
      const int l = of_y * (*luma++ - black), du = u[x >> shift] - 128, dv = v[x >> shift] - 128;
      rgb[0] = rounded(l + v_r * dv);
      rgb[1] = rounded(l - u_g * du - v_g * dv);
      rgb[2] = rounded(l + u_b * du);
    }
  }
}

FramePainter::FramePainter(const VideoFormat& format, const Palette& palette, double opacity) : format_(format) {
  for (std::size_t i = 0; i < palette.colors.size(); ++i) {
    colors_[i] = format.is_y4m() ? to_yuv(palette.colors[i], format.is_full_range) : palette.colors[i];
    opacity_256_[i] = palette.is_painted[i] ? opacity_256ths(opacity) : 0;
  }
}

void FramePainter::paint(const std::uint8_t* labels, std::uint8_t* frame) const noexcept {
  const auto mix = [this](std::uint8_t& sample, std::uint8_t label, std::size_t component) {
    sample = blend(sample, colors_[label][component], opacity_256_[label]);
  };
  const std::size_t pixels = format_.pixels();
  if (!format_.is_y4m()) {
    for (std::size_t i = 0; i < pixels; ++i)
      for (std::size_t c = 0; c < 3; ++c) mix(frame[3 * i + c], labels[i], c);
    return;
  }
  for (std::size_t i = 0; i < pixels; ++i) mix(frame[i], labels[i], 0);
  // A chroma sample of 4:2:0 has the class of the first of its four pixels.
  const std::size_t step = format_.layout == VideoFormat::Layout::yuv420 ? 2 : 1;
  const Size chroma = format_.chroma_size();
  std::uint8_t* u = frame + pixels;
  std::uint8_t* v = u + format_.chroma_bytes();
  for (std::size_t y = 0; y < static_cast<std::size_t>(chroma.height); ++y)
    for (std::size_t x = 0; x < static_cast<std::size_t>(chroma.width); ++x) {
      const std::uint8_t label = labels[y * step * static_cast<std::size_t>(format_.size.width) + x * step];
      mix(*u++, label, 1);
      mix(*v++, label, 2);
    }
}

}  // namespace lemore::cli
