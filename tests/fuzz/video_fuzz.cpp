// Headers of video streams, and the conversion of a small frame.
#include <string_view>
#include <vector>

#include "frames/video.h"
#include "fuzz.h"

using namespace lemore::cli;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)is_y4m_frame_line(text);
  for (const bool is_raw : {false, true}) {
    const auto format = is_raw ? parse_raw_format(text, 4096) : parse_y4m_header(text, 4096);
    if (!format.ok()) {
      require(format.status().message().find('\n') == std::string::npos);
      continue;
    }
    require(format->pixels() >= 1 && format->pixels() <= 4096);
    std::vector<std::uint8_t> frame(format->frame_bytes(), 200), rgb(3 * format->pixels()), labels(format->pixels(), 1);
    if (format->is_y4m()) to_rgb(*format, frame.data(), rgb.data());
    FramePainter(*format, Palette({{"a", {1, 2, 3}}, {"b", {4, 5, 6}}}), 0.5).paint(labels.data(), frame.data());
  }
  return 0;
}
