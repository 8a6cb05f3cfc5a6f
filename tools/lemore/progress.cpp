#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "report.h"

namespace lemore::cli {

namespace {

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string clock_text(double seconds) {
  const long s = static_cast<long>(seconds + 0.5);
  char text[48];
  if (s < 3600) {
    std::snprintf(text, sizeof(text), "%ld:%02ld", s / 60, s % 60);
  } else {
    std::snprintf(text, sizeof(text), "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  }
  return text;
}

}  // namespace

Progress::Style Progress::parse_style(std::string_view name) {
  if (name == "plain") return Style::plain;
  if (name == "none") return Style::none;
  const char* terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::strcmp(terminal, "dumb") == 0;
  return ::isatty(STDERR_FILENO) != 0 && !is_dumb ? Style::bar : Style::none;
}

Progress::Progress(Style style, std::size_t total, std::string_view unit)
    : style_(style), total_(total), unit_(unit), start_(Clock::now()) {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org: set and not empty
  has_color_ = no_color == nullptr || *no_color == '\0';
}

void Progress::step(std::string_view name, std::string_view note) {
  ++done_;
  if (style_ == Style::plain) {
    std::fprintf(stderr, "[%zu/%zu] %s%s%s\n", done_, total_, one_line(name).c_str(), note.empty() ? "" : ": ",
                 one_line(note).c_str());
  }
  if (style_ != Style::bar || total_ < 2) return;
  const Clock::time_point now = Clock::now();
  if (done_ < total_ && now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  draw();
}

void Progress::draw() {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  char tail[128];
  std::snprintf(tail, sizeof(tail), " %zu/%zu  %.1f %s/s  %s left", done_, total_, rate, unit_.c_str(),
                clock_text(rate > 0 ? static_cast<double>(total_ - done_) / rate : 0).c_str());
  const int room = terminal_width() - static_cast<int>(std::strlen(tail)) - 3;
  const int width = std::clamp(room, 0, 40);
  const auto filled = static_cast<int>(static_cast<double>(width) * static_cast<double>(done_) /
                                       static_cast<double>(std::max<std::size_t>(total_, 1)));
  const std::string bar(static_cast<std::size_t>(filled), '#'), rest(static_cast<std::size_t>(width - filled), '.');
  std::fprintf(stderr, "\r\x1B[K[%s%s%s%s]%s", has_color_ ? "\x1B[32m" : "", bar.c_str(), has_color_ ? "\x1B[0m" : "",
               rest.c_str(), tail);
  std::fflush(stderr);
  is_drawn_ = true;
}

void Progress::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\x1B[K", stderr);
  std::fflush(stderr);
  is_drawn_ = false;
}

}  // namespace lemore::cli
