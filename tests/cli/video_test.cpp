#include "frames/video.h"

#include <catch2/catch.hpp>
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

TEST_CASE("YUV becomes the RGB that BT.601 says", "[video]") {
  // Y, U, V of black, white, red, green and blue, 16..235 and 0..255; rounding leaves 2.
  struct Case {
    int y, u, v, r, g, b;
  };
  const Case limited[] = {{16, 128, 128, 0, 0, 0},  {235, 128, 128, 255, 255, 255}, {81, 90, 240, 255, 0, 0},
                          {145, 54, 34, 0, 255, 0}, {41, 240, 110, 0, 0, 255},      {126, 128, 128, 128, 128, 128}};
  const Case full[] = {{0, 128, 128, 0, 0, 0}, {255, 128, 128, 255, 255, 255}, {76, 85, 255, 255, 0, 0}};
  const auto check = [](const Case& c, const std::string& line) {
    const std::vector<std::uint8_t> frame{static_cast<std::uint8_t>(c.y), static_cast<std::uint8_t>(c.u),
                                          static_cast<std::uint8_t>(c.v)};
    std::uint8_t rgb[3];
    to_rgb(header(line), frame.data(), rgb);
    CHECK(std::abs(rgb[0] - c.r) <= 2);
    CHECK(std::abs(rgb[1] - c.g) <= 2);
    CHECK(std::abs(rgb[2] - c.b) <= 2);
  };
  for (const Case& c : limited) check(c, "YUV4MPEG2 W1 H1 C444");
  for (const Case& c : full) check(c, "YUV4MPEG2 W1 H1 C444 XCOLORRANGE=FULL");
}

TEST_CASE("painting: what is not painted keeps its bytes, the rest comes to its colour", "[video]") {
  Palette palette({{"a", {200, 10, 60}}, {"b", {0, 255, 0}}});
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
