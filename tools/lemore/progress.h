#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace lemore::cli {

/// How far a long command is, on stderr: a bar that redraws itself on a terminal, or a line an item. Not thread-safe:
/// whoever calls holds a lock.
class Progress {
 public:
  enum class Style { none, plain, bar };
  /// "auto": a bar when stderr is a terminal that can move its cursor, else none; "plain"; "none".
  static Style parse_style(std::string_view name);

  Progress(Style style, std::size_t total, std::string_view unit);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more item is done. `note` follows its name in the plain style.
  void step(std::string_view name, std::string_view note);
  /// Takes the bar away, so that a message can be printed; the next step draws it again.
  void clear();

 private:
  void draw();

  using Clock = std::chrono::steady_clock;
  Style style_;
  std::size_t total_, done_ = 0;
  std::string unit_;
  bool has_color_ = false, is_drawn_ = false;
  Clock::time_point start_, last_draw_;
};

}  // namespace lemore::cli
