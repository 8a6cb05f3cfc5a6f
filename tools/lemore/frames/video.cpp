#include "frames/video.h"

#include <algorithm>
#include <charconv>
#include <cmath>

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

/// A conversion in 256ths. Luma is black + its row of `from_rgb`, chroma 128 + its rows.
struct Coefficients {
  int black = 0, luma = 256;
  int v_to_red = 0, u_to_green = 0, v_to_green = 0, u_to_blue = 0;
  std::array<std::array<int, 3>, 3> from_rgb{};  // [y, u, v][r, g, b]
};

/// From the shares of red and blue in luma, which are all that BT.601 and BT.709 differ in. Green takes what rounding
/// leaves of each row, so that white is white and grays have no colour.
Coefficients coefficients_of(const VideoFormat& format) noexcept {
  const bool is_hd = format.matrix == ColorMatrix::bt709;
  const double red = is_hd ? 0.2126 : 0.299, blue = is_hd ? 0.0722 : 0.114, green = 1 - red - blue;
  const double luma_range = format.is_full_range ? 255 : 219, chroma_range = format.is_full_range ? 255 : 224;
  const auto in_256ths = [](double value) { return static_cast<int>(std::lround(256 * value)); };
  Coefficients c;
  c.black = format.is_full_range ? 0 : 16;
  c.luma = in_256ths(255 / luma_range);
  c.v_to_red = in_256ths(255 / chroma_range * 2 * (1 - red));
  c.u_to_blue = in_256ths(255 / chroma_range * 2 * (1 - blue));
  c.v_to_green = in_256ths(255 / chroma_range * 2 * (1 - red) * red / green);
  c.u_to_green = in_256ths(255 / chroma_range * 2 * (1 - blue) * blue / green);
  const auto row = [&](double of_red, double of_blue, double scale, int sum) {
    const int r = in_256ths(scale / 255 * of_red), b = in_256ths(scale / 255 * of_blue);
    return std::array<int, 3>{r, sum - r - b, b};
  };
  c.from_rgb[0] = row(red, blue, luma_range, in_256ths(luma_range / 255));
  c.from_rgb[1] = row(-red / (2 * (1 - blue)), 0.5, chroma_range, 0);
  c.from_rgb[2] = row(0.5, -blue / (2 * (1 - red)), chroma_range, 0);
  return c;
}

std::array<std::uint8_t, 3> to_yuv(const Rgb& color, const Coefficients& c) noexcept {
  const auto component = [&](std::size_t i, int zero) {
    const std::array<int, 3>& of = c.from_rgb[i];
    return rounded(of[0] * color[0] + of[1] * color[1] + of[2] * color[2] + (zero << 8));
  };
  return {component(0, c.black), component(1, 128), component(2, 128)};
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
  const std::string_view magic = "YUV4MPEG2", range_tag = "XCOLORRANGE=";
  const auto invalid = [](const std::string& what) { return Status(StatusCode::invalid_file, "y4m header: " + what); };
  if (line.substr(0, magic.size()) != magic || (line.size() > magic.size() && line[magic.size()] != ' '))
    return invalid("expected 'YUV4MPEG2', got " + shown(line));
  VideoFormat format;
  format.layout = VideoFormat::Layout::yuv420;
  bool has_color = false, has_range = false;
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
    } else if (token.substr(0, range_tag.size()) == range_tag) {
      const std::string_view range = token.substr(range_tag.size());
      if (has_range) return invalid("XCOLORRANGE is there twice");
      has_range = true;
      if (range != "FULL" && range != "LIMITED")
        return invalid("XCOLORRANGE: expected FULL or LIMITED, got " + shown(range));
      format.is_full_range = range == "FULL";
    }  // frame rate, aspect, interlacing, comments: go out as they came
  }
  if (format.size.width == 0 || format.size.height == 0) return invalid("expected W and H");
  if (Status status = check_pixels(format, max_pixels); !status.ok()) return status;
  if (format.size.height >= k_least_hd_height) format.matrix = ColorMatrix::bt709;
  return format;
}

Status choose_matrix(std::string_view name, VideoFormat& format) {
  if (name == "auto") return Status();
  if (name != "bt601" && name != "bt709") {
    return Status(StatusCode::invalid_argument, "--colorspace: expected auto, bt601 or bt709, got " + shown(name));
  }
  if (!format.is_y4m())
    return Status(StatusCode::invalid_argument, "--colorspace: goes with --frames y4m, these frames are RGB");
  format.matrix = name == "bt709" ? ColorMatrix::bt709 : ColorMatrix::bt601;
  return Status();
}

bool is_y4m_frame_line(std::string_view line) noexcept { return line == "FRAME" || line.substr(0, 6) == "FRAME "; }

void to_rgb(const VideoFormat& format, const std::uint8_t* frame, std::uint8_t* rgb) noexcept {
  const int shift = format.layout == VideoFormat::Layout::yuv420 ? 1 : 0;
  const std::uint8_t* luma = frame;
  const std::size_t chroma_width = static_cast<std::size_t>(format.chroma_size().width);
  const Coefficients c = coefficients_of(format);
  for (int y = 0; y < format.size.height; ++y) {
    const std::uint8_t* u = frame + format.pixels() + static_cast<std::size_t>(y >> shift) * chroma_width;
    const std::uint8_t* v = u + format.chroma_bytes();
    for (int x = 0; x < format.size.width; ++x, rgb += 3) {
      const int l = c.luma * (*luma++ - c.black), du = u[x >> shift] - 128, dv = v[x >> shift] - 128;
      rgb[0] = rounded(l + c.v_to_red * dv);
      rgb[1] = rounded(l - c.u_to_green * du - c.v_to_green * dv);
      rgb[2] = rounded(l + c.u_to_blue * du);
    }
  }
}

FramePainter::FramePainter(const VideoFormat& format, const Palette& palette, double opacity) : format_(format) {
  const Coefficients coefficients = coefficients_of(format);
  for (std::size_t i = 0; i < palette.overlay.size(); ++i) {
    colors_[i] = format.is_y4m() ? to_yuv(palette.overlay[i], coefficients) : palette.overlay[i];
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
