// Video through a pipe: ffmpeg -i in.mp4 -f yuv4mpegpipe -pix_fmt yuv420p - | frames MODEL y4m | ffplay -i -
//   frames MODEL y4m [FPS]        YUV4MPEG2, 8 bits, 4:2:0 or 4:4:4, on standard input and output
//   frames MODEL raw:WxH [FPS]    RGB, 3 bytes a pixel
// Every frame that comes goes out with its classes painted over. With FPS frames leave at that pace; one that is late
// by more than a frame's time keeps the classes of the one before and counts as dropped. Numbers at the end on stderr.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "lemore/segmenter.h"

namespace {

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<std::uint8_t>;

struct Format {
  bool is_y4m = false;
  int h = 0, w = 0, shift = 0;  // shift: chroma is halved (4:2:0)
  std::string header;           // y4m: goes out as it came

  std::size_t luma() const { return static_cast<std::size_t>(h) * static_cast<std::size_t>(w); }
  int chroma_w() const { return (w + shift) >> shift; }
  std::size_t chroma() const {
    return static_cast<std::size_t>((h + shift) >> shift) * static_cast<std::size_t>(chroma_w());
  }
  std::size_t frame_bytes() const { return is_y4m ? luma() + 2 * chroma() : 3 * luma(); }
};

int fail(const std::string& message) { return std::fprintf(stderr, "frames: %s\n", message.c_str()), 1; }

bool is_size(int n) { return n >= 1 && n <= 16384; }

// A line of at most 256 bytes, without its end; false at the end of the input and for longer ones.
bool read_line(std::string& line) {
  line.clear();
  for (int c; (c = std::getchar()) != '\n'; line += static_cast<char>(c))
    if (c == EOF || line.size() == 256) return false;
  return true;
}

// "YUV4MPEG2 W640 H480 F30:1 C420jpeg": http://wiki.multimedia.cx/index.php/YUV4MPEG2
bool read_y4m_header(Format& f) {
  if (!read_line(f.header) || f.header.compare(0, 10, "YUV4MPEG2 ") != 0) return false;
  std::string colour = "420";
  for (std::size_t at = 10; at < f.header.size();) {
    const std::size_t end = std::min(f.header.find(' ', at), f.header.size());
    const std::string value = f.header.substr(at + 1, end - at - 1);
    const long number = std::clamp(std::strtol(value.c_str(), nullptr, 10), 0L, 99999L);
    if (f.header[at] == 'W') f.w = static_cast<int>(number);
    if (f.header[at] == 'H') f.h = static_cast<int>(number);
    if (f.header[at] == 'C') colour = value;
    at = end + 1;
  }
  f.is_y4m = true;
  f.shift = colour == "444" ? 0 : 1;
  return is_size(f.w) && is_size(f.h) &&
         (colour == "444" || colour == "420" || colour == "420jpeg" || colour == "420paldv" || colour == "420mpeg2");
}

std::uint8_t byte(int value_256ths) { return static_cast<std::uint8_t>(std::clamp((value_256ths + 128) >> 8, 0, 255)); }

// BT.601, 16..235, as ffmpeg writes video without a tag.
void to_rgb(const Format& f, const Bytes& frame, Bytes& rgb) {
  const std::uint8_t *luma = frame.data(), *u = luma + f.luma(), *v = u + f.chroma();
  for (int y = 0, i = 0; y < f.h; ++y)
    for (int x = 0; x < f.w; ++x, ++i) {
      const int c = (y >> f.shift) * f.chroma_w() + (x >> f.shift);
      const int l = 298 * (luma[i] - 16), du = u[c] - 128, dv = v[c] - 128;
      rgb[static_cast<std::size_t>(3 * i)] = byte(l + 409 * dv);
      rgb[static_cast<std::size_t>(3 * i + 1)] = byte(l - 100 * du - 208 * dv);
      rgb[static_cast<std::size_t>(3 * i + 2)] = byte(l + 516 * du);
    }
}

// Each sample of a frame halfway to its class' colour, which `colors` holds in the frame's own components.
void paint(const Format& f, const Bytes& labels, const std::vector<std::array<std::uint8_t, 3>>& colors, Bytes& frame) {
  const auto mix = [](std::uint8_t& a, std::uint8_t b) { a = static_cast<std::uint8_t>((a + b + 1) / 2); };
  if (!f.is_y4m) {
    for (std::size_t i = 0; i < frame.size(); ++i) mix(frame[i], colors[labels[i / 3]][i % 3]);
    return;
  }
  for (std::size_t i = 0; i < f.luma(); ++i) mix(frame[i], colors[labels[i]][0]);
  for (std::size_t i = 0; i < f.chroma(); ++i) {
    const auto w = static_cast<std::size_t>(f.chroma_w());
    const std::size_t pixel = ((i / w) << f.shift) * static_cast<std::size_t>(f.w) + ((i % w) << f.shift);
    mix(frame[f.luma() + i], colors[labels[pixel]][1]);
    mix(frame[f.luma() + f.chroma() + i], colors[labels[pixel]][2]);
  }
}

std::array<std::uint8_t, 3> to_yuv(const std::array<std::uint8_t, 3>& c) {
  const int r = c[0], g = c[1], b = c[2];
  return {byte(66 * r + 129 * g + 25 * b + (16 << 8)), byte(-38 * r - 74 * g + 112 * b + (128 << 8)),
          byte(112 * r - 94 * g - 18 * b + (128 << 8))};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return std::fprintf(stderr, "usage: frames MODEL y4m|raw:WxH [FPS]\n"), 2;
  const double fps = argc == 4 ? std::atof(argv[3]) : 0;
  Format f;
  if (std::strcmp(argv[2], "y4m") == 0) {
    if (!read_y4m_header(f)) return fail("expected a YUV4MPEG2 header with W, H and C420 or C444 of 8 bits");
    std::printf("%s\n", f.header.c_str());
  } else if (std::sscanf(argv[2], "raw:%5dx%5d", &f.w, &f.h) != 2 || !is_size(f.w) || !is_size(f.h)) {
    return fail("expected y4m or raw:WxH with 1..16384 pixels a side");
  }
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return fail(model.status().message());
  auto segmenter = lemore::Segmenter::create(*model);
  if (!segmenter.ok()) return fail(segmenter.status().message());
  std::vector<std::array<std::uint8_t, 3>> colors;
  for (const auto& c : model->classes()) colors.push_back(f.is_y4m ? to_yuv(c.color) : c.color);

  Bytes frame(f.frame_bytes()), labels(f.luma()), rgb(f.is_y4m ? 3 * f.luma() : 0);
  const std::size_t row = static_cast<std::size_t>(f.w);
  std::vector<double> times_ms;
  int frames = 0, dropped = 0;
  std::string line;
  const auto start = Clock::now();
  for (;; ++frames) {
    if (f.is_y4m && !read_line(line)) break;
    if (f.is_y4m && line.compare(0, 5, "FRAME") != 0) return fail("frame " + std::to_string(frames) + ": no FRAME");
    const std::size_t got = std::fread(frame.data(), 1, frame.size(), stdin);
    if (got == 0 && !f.is_y4m) break;
    if (got != frame.size()) return fail("frame " + std::to_string(frames) + " is cut short");

    const auto before = Clock::now();
    const std::chrono::duration<double> frame_time(fps > 0 ? 1 / fps : 0);
    const auto due = start + std::chrono::duration_cast<Clock::duration>(frame_time * frames);
    if (fps > 0) std::this_thread::sleep_until(due);
    if (fps > 0 && frames > 0 && before > due + frame_time) {
      ++dropped;
    } else {
      const auto begin = Clock::now();
      if (f.is_y4m) to_rgb(f, frame, rgb);
      const std::uint8_t* pixels = f.is_y4m ? rgb.data() : frame.data();
      const auto status =
          segmenter->segment({pixels, {f.h, f.w}, 3 * row, lemore::PixelFormat::rgb}, {labels.data(), {f.h, f.w}, row});
      if (!status.ok()) return fail(status.message());
      times_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
    paint(f, labels, colors, frame);
    if (f.is_y4m) std::printf("%s\n", line.c_str());
    if (std::fwrite(frame.data(), 1, frame.size(), stdout) != frame.size()) return fail("standard output is closed");
    std::fflush(stdout);
  }
  if (std::ferror(stdin) != 0 || std::fflush(stdout) != 0) return fail("reading or writing failed");
  std::sort(times_ms.begin(), times_ms.end());
  const std::size_t n = times_ms.size();
  std::fprintf(stderr, "%d frames, %d dropped; median %.1f ms a frame, 95 of 100 within %.1f ms\n", frames, dropped,
               n > 0 ? times_ms[n / 2] : 0.0, n > 0 ? times_ms[n * 95 / 100] : 0.0);
}
