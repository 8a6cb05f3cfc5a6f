#include "frames/run_frames.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "frames/video.h"
#include "report.h"

namespace lemore::cli {

namespace {

using Clock = std::chrono::steady_clock;

Status stream_error(std::uint64_t frame, const std::string& what) {
  return Status(StatusCode::invalid_file, "standard input: frame " + std::to_string(frame) + " " + what);
}

/// Reads a line without its end. False at the end of the stream, or behind k_max_y4m_line bytes.
bool read_line(std::string& line) {
  line.clear();
  for (int c = std::getchar(); c != '\n'; c = std::getchar()) {
    if (c == EOF || line.size() == k_max_y4m_line) return false;
    line += static_cast<char>(c);
  }
  return true;
}

Result<VideoFormat> read_format(const FramesOptions& options, std::string& header) {
  if (options.format != "y4m") return parse_raw_format(options.format, options.max_pixels);
  const bool is_whole = read_line(header);
  if (!is_whole && header.empty())
    return Status(StatusCode::invalid_file, "standard input: is empty, expected a y4m header");
  Result<VideoFormat> format = parse_y4m_header(header, options.max_pixels);
  if (!format.ok()) return about("standard input", format.status());
  if (!is_whole) {
    return Status(StatusCode::invalid_file, "standard input: the y4m header does not end within " +
                                                std::to_string(header.size()) + " bytes: the stream is cut short");
  }
  return format;
}

/// Reads the next frame. False at the end of the stream.
Result<bool> read_frame(const VideoFormat& format, std::uint64_t index, std::string& line,
                        std::vector<std::uint8_t>& frame) {
  if (format.is_y4m()) {
    if (!read_line(line)) {
      if (line.empty() && std::feof(stdin) != 0) return false;
      if (std::ferror(stdin) == 0) return stream_error(index, "begins with no complete FRAME line");
    } else if (!is_y4m_frame_line(line)) {
      return stream_error(index, "begins with '" + one_line(line.substr(0, 60)) + "', expected FRAME");
    }
  }
  errno = 0;
  const std::size_t got = std::fread(frame.data(), 1, frame.size(), stdin);
  if (std::ferror(stdin) != 0) return errno_status("standard input", "read", errno);
  if (got == 0 && !format.is_y4m()) {
    if (index == 0) return Status(StatusCode::invalid_file, "standard input: is empty, expected frames");
    return false;
  }
  if (got != frame.size())
    return stream_error(index, "has " + std::to_string(got) + " bytes, expected " + std::to_string(frame.size()));
  return true;
}

}  // namespace

Status run_frames(const Model& model, const Palette& palette, const FramesOptions& options) {
  std::string header, line;
  Result<VideoFormat> format = read_format(options, header);
  if (!format.ok()) return format.status();
  if (const Status status = choose_matrix(options.colorspace, *format); !status.ok()) return status;
  Result<Segmenter> segmenter = Segmenter::create(model, options.segmenter);
  if (!segmenter.ok()) return segmenter.status();
  if (format->is_y4m()) {
    if (const Status status = write_stdout(header + "\n"); !status.ok()) return status;
  }
  const FramePainter painter(*format, palette, options.opacity);
  const std::size_t width = static_cast<std::size_t>(format->size.width);
  std::vector<std::uint8_t> frame(format->frame_bytes()), labels(format->pixels());
  std::vector<std::uint8_t> rgb(format->is_y4m() ? 3 * format->pixels() : 0);

  std::vector<float> times_ms;
  std::uint64_t frames = 0, dropped = 0;
  const std::chrono::duration<double> frame_time(options.fps > 0 ? 1 / options.fps : 0);
  const auto start = Clock::now();
  for (;; ++frames) {
    const Result<bool> has_frame = read_frame(*format, frames, line, frame);
    if (!has_frame.ok()) return has_frame.status();
    if (!*has_frame) break;

    bool is_late = false;
    if (options.fps > 0) {
      const std::chrono::duration<double> since = Clock::now() - start, due = frame_time * static_cast<double>(frames);
      is_late = frames > 0 && since > due + frame_time;
      if (since < due) std::this_thread::sleep_for(due - since);
    }
    if (is_late) {
      ++dropped;
    } else {
      const auto begin = Clock::now();
      if (format->is_y4m()) to_rgb(*format, frame.data(), rgb.data());
      const std::uint8_t* pixels = format->is_y4m() ? rgb.data() : frame.data();
      const Status status = segmenter->segment(ImageView{pixels, format->size, 3 * width, PixelFormat::rgb},
                                               LabelView{labels.data(), format->size, width});
      if (!status.ok()) return status;
      times_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - begin).count());
    }
    painter.paint(labels.data(), frame.data());
    if (format->is_y4m()) {
      if (const Status status = write_stdout(line + "\n"); !status.ok()) return status;
    }
    if (const Status status = write_stdout(frame.data(), frame.size()); !status.ok()) return status;
  }

  std::sort(times_ms.begin(), times_ms.end());
  const std::size_t n = times_ms.size();
  char text[160];
  std::snprintf(text, sizeof text, "%llu frames, %llu dropped; median %.1f ms a frame, 95 of 100 within %.1f ms",
                static_cast<unsigned long long>(frames), static_cast<unsigned long long>(dropped),
                n > 0 ? static_cast<double>(times_ms[n / 2]) : 0.0,
                n > 0 ? static_cast<double>(times_ms[n * 95 / 100]) : 0.0);
  print_error(text);
  return Status();
}

}  // namespace lemore::cli
