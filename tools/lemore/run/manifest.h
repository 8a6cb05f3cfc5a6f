#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "file_io.h"
#include "lemore/status.h"

namespace lemore::cli {

/// A file of JSON lines, one an input. Each line is one write, so a killed run leaves whole lines.
class Manifest {
 public:
  /// Opens `path` anew, or to append when `resume`; then the inputs it already calls "ok" or "skipped" are remembered,
  /// and a torn last line is closed. Errors: io_error.
  static Result<Manifest> open(const std::string& path, bool resume);

  bool has(const std::string& input) const { return known_.count(input) != 0; }
  /// Appends `line` and a line feed. Errors: io_error.
  Status write(std::string line);

 private:
  std::string path_;
  FileHandle file_;
  std::unordered_set<std::string> known_;
};

}  // namespace lemore::cli
