#include "frames/video.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

using namespace lemore;
using namespace lemore::cli;

namespace {

constexpr std::uint64_t k_most = 1 << 20;

VideoFormat header(const std::string& line) {
  const auto format = parse_y4m_header(line, k_most);
  INFO(line << ": " << format.status().message());
  REQUIRE(format.ok());
  return *format;
}

}  // namespace

TEST_CASE("y4m headers are read", "[video]") {
  VideoFormat f = header("YUV4MPEG2 W65 H49 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG");
  CHECK(f.size == Size{49, 65});
  CHECK(f.layout == VideoFormat::Layout::yuv420);
  CHECK_FALSE(f.is_full_range);
  CHECK(f.chroma_size() == Size{25, 33});
  CHECK(f.frame_bytes() == 65 * 49 + 2 * 33 * 25);
  f = header("YUV4MPEG2 C444  H1 W2 XCOLORRANGE=FULL");
  CHECK(f.layout == VideoFormat::Layout::yuv444);
  CHECK(f.is_full_range);
  CHECK(f.frame_bytes() == 6);
  CHECK(header("YUV4MPEG2 W1024 H1024").frame_bytes() == k_most * 3 / 2);
}

TEST_CASE("y4m headers from outside are refused in one line", "[video]") {
  for (const std::string line :
       {"", "YUV4MPEG", "YUV4MPEG2", "YUV4MPEG2W5 H5", "YUV4MPEG2 W5", "YUV4MPEG2 H5", "YUV4MPEG2 W0 H5",
        "YUV4MPEG2 W-5 H5", "YUV4MPEG2 W5x H5", "YUV4MPEG2 W H5", "YUV4MPEG2 W99999999999999999999 H5",
        "YUV4MPEG2 W16385 H5", "YUV4MPEG2 W5 H5 W5", "YUV4MPEG2 W5 H5 C420 C444", "YUV4MPEG2 W5 H5 C420p10",
        "YUV4MPEG2 W5 H5 C422", "YUV4MPEG2 W5 H5 Cmono", "YUV4MPEG2 W2048 H1024", "RIFF\x01\x02"}) {
    const auto format = parse_y4m_header(line, k_most);
    INFO(line);
    REQUIRE_FALSE(format.ok());
    CHECK_FALSE(format.status().message().empty());
    CHECK(format.status().message().find('\n') == std::string::npos);
    CHECK(format.status().message().size() < 200);
  }
  CHECK(parse_y4m_header(std::string("YUV4MPEG2 W5\0 H5", 16), k_most).status().code() == StatusCode::invalid_file);
}

TEST_CASE("raw formats are WxH", "[video]") {
  const auto f = parse_raw_format("raw:640x480:rgb24", k_most);
  REQUIRE(f.ok());
  CHECK(f->size == Size{480, 640});
  CHECK(f->frame_bytes() == 640 * 480 * 3);
  for (const char* text :
       {"", "raw", "raw:640x480", "raw:640x:rgb24", "raw:x480:rgb24", "raw:640:rgb24", "raw::rgb24", "raw:0x480:rgb24",
        "raw:640x480x3:rgb24", "raw:640x480:bgr24", "y4m ", "raw:2000x2000:rgb24"})
    CHECK_FALSE(parse_raw_format(text, k_most).ok());
}

TEST_CASE("frame lines", "[video]") {
  CHECK(is_y4m_frame_line("FRAME"));
  CHECK(is_y4m_frame_line("FRAME Ip"));
  CHECK_FALSE(is_y4m_frame_line("FRAMES"));
  CHECK_FALSE(is_y4m_frame_line(""));
}

TEST_CASE("the matrix follows from the height unless it is named, the range from its tag", "[video]") {
  CHECK(header("YUV4MPEG2 W1 H719").matrix == ColorMatrix::bt601);
  CHECK(header("YUV4MPEG2 W1 H720").matrix == ColorMatrix::bt709);
  CHECK(header("YUV4MPEG2 W1 H1 XCOLORRANGE=FULL").is_full_range);
  CHECK_FALSE(header("YUV4MPEG2 W1 H1 XCOLORRANGE=LIMITED").is_full_range);
  CHECK(parse_y4m_header("YUV4MPEG2 W1 H1 XCOLORRANGE=TV", k_most).status().message() ==
        "y4m header: XCOLORRANGE: expected FULL or LIMITED, got 'TV'");
  CHECK_FALSE(parse_y4m_header("YUV4MPEG2 W1 H1 XCOLORRANGE=FULL XCOLORRANGE=LIMITED", k_most).ok());

  VideoFormat f = header("YUV4MPEG2 W1 H1080");
  REQUIRE(choose_matrix("auto", f).ok());
  CHECK(f.matrix == ColorMatrix::bt709);
  REQUIRE(choose_matrix("bt601", f).ok());
  CHECK(f.matrix == ColorMatrix::bt601);
  CHECK_FALSE(choose_matrix("bt2020", f).ok());
  VideoFormat raw = *parse_raw_format("raw:2x1:rgb24", k_most);
  CHECK(choose_matrix("auto", raw).ok());
  CHECK_FALSE(choose_matrix("bt709", raw).ok());
}

TEST_CASE("YUV becomes the RGB that its matrix says, and back", "[video]") {
  // E' = (R', G', B') in 0..1, by the definitions of ITU-R BT.601 and BT.709.
  for (const bool is_hd : {false, true}) {
    for (const bool is_full : {false, true}) {
      const double kr = is_hd ? 0.2126 : 0.299, kb = is_hd ? 0.0722 : 0.114;
      const double luma = is_full ? 255 : 219, chroma = is_full ? 255 : 224, black = is_full ? 0 : 16;
      VideoFormat f = header(is_full ? "YUV4MPEG2 W1 H1 C444 XCOLORRANGE=FULL" : "YUV4MPEG2 W1 H1 C444");
      REQUIRE(choose_matrix(is_hd ? "bt709" : "bt601", f).ok());
      for (int i = 0; i < 6 * 6 * 6; ++i) {
        const int color[3] = {i % 6 * 51, i / 6 % 6 * 51, i / 36 * 51};
        const double r = color[0] / 255.0, g = color[1] / 255.0, b = color[2] / 255.0;
        const double y = kr * r + (1 - kr - kb) * g + kb * b;
        const double u = (b - y) / (2 * (1 - kb)), v = (r - y) / (2 * (1 - kr));
        const auto byte = [](double value) {
          return static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
        };
        std::vector<std::uint8_t> frame{byte(black + luma * y), byte(128 + chroma * u), byte(128 + chroma * v)};
        std::uint8_t rgb[3];
        to_rgb(f, frame.data(), rgb);
        INFO(is_hd << is_full << " " << color[0] << " " << color[1] << " " << color[2]);
        for (int c = 0; c < 3; ++c) REQUIRE(std::abs(rgb[c] - color[c]) <= 2);  // rounding of 8 bits, twice

        // The painter goes the other way.
        const std::vector<std::uint8_t> expected = frame;
        Palette palette({{"a", {byte(color[0]), byte(color[1]), byte(color[2])}}});
        palette.overlay = palette.colors;
        const std::uint8_t label = 0;
        std::fill(frame.begin(), frame.end(), std::uint8_t{77});
        FramePainter(f, palette, 1.0).paint(&label, frame.data());
        for (std::size_t c = 0; c < 3; ++c) REQUIRE(std::abs(frame[c] - expected[c]) <= 1);
        if (color[0] == color[1] && color[1] == color[2]) REQUIRE((frame[1] == 128 && frame[2] == 128));
      }
    }
  }
}

TEST_CASE("painting: what is not painted keeps its bytes, the rest comes to its colour", "[video]") {
  Palette palette({{"a", {200, 10, 60}}, {"b", {0, 255, 0}}});
  palette.overlay = palette.colors;
  palette.is_painted[1] = false;
  for (const char* line : {"YUV4MPEG2 W5 H3 C420", "YUV4MPEG2 W5 H3 C444", "YUV4MPEG2 W5 H3 C444 XCOLORRANGE=FULL"}) {
    const VideoFormat f = header(line);
    std::vector<std::uint8_t> frame(f.frame_bytes(), 77), before = frame;
    const FramePainter painter(f, palette, 1.0);
    const std::vector<std::uint8_t> all_b(15, 1), all_a(15, 0);
    painter.paint(all_b.data(), frame.data());
    CHECK(frame == before);
    painter.paint(all_a.data(), frame.data());
    std::vector<std::uint8_t> rgb(3 * 15);
    to_rgb(f, frame.data(), rgb.data());
    for (std::size_t i = 0; i < rgb.size(); ++i) CHECK(std::abs(rgb[i] - palette.colors[0][i % 3]) <= 3);
  }
  VideoFormat raw = *parse_raw_format("raw:2x1:rgb24", k_most);
  std::vector<std::uint8_t> frame(6, 100);
  const std::uint8_t labels[] = {0, 1};
  FramePainter(raw, palette, 0.5).paint(labels, frame.data());
  CHECK(frame == std::vector<std::uint8_t>{150, 55, 80, 100, 100, 100});
}
