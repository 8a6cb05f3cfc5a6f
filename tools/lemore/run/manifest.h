#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "file_io.h"
#include "lemore/status.h"

namespace lemore::cli {

/// What outputs are made with, besides their image. Text that is compared, never read.
struct MadeWith {
  std::string model;    ///< a hash of the weight file
  std::string options;  ///< those that change pixels or numbers

  bool operator==(const MadeWith& o) const noexcept { return model == o.model && options == o.options; }
};

/// A hash of a file's bytes, to tell whether it is the same: FNV-1a of 64 bits and the size, "0123456789abcdef-1234".
/// Errors    io_error.
Result<std::string> hash_file(const std::string& path);

/// A file of JSON lines, one an input (docs/json.md). Each line is one write, so a killed run leaves whole lines.
class Manifest {
 public:
  /// What is known of an input that is done. Fields that a line lacks are empty, and match anything.
  struct Entry {
    std::optional<MadeWith> made_with;
    std::optional<FileStamp> image;
  };

  /// Opens `path` anew, or to append when `resume`; then the inputs whose last line says "ok" or "skipped" are
  /// remembered, and a torn last line is closed. Errors: io_error.
  static Result<Manifest> open(const std::string& path, bool resume, const MadeWith& made_with);

  const std::string& path() const noexcept { return path_; }
  const MadeWith& made_with() const noexcept { return made_with_; }
  /// The entry of an input that is done, or null.
  const Entry* find(const std::string& input) const;
  /// True where any line says what its outputs were made with: an input without a line was not finished then.
  bool is_complete() const noexcept { return is_complete_; }

  /// Appends `line`, which ends in a line feed. Errors: io_error.
  Status write(const std::string& line);

 private:
  void remember(const std::vector<std::uint8_t>& bytes);

  std::string path_;
  MadeWith made_with_;
  FileHandle file_;
  std::unordered_map<std::string, Entry> done_;
  bool is_complete_ = false;
};

}  // namespace lemore::cli
