#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/confusion.h"
#include "lemore/status.h"

namespace lemore::cli {

/// Most pixels a set of counts may hold: beyond 2^53 JSON readers that keep numbers as doubles would round.
constexpr std::uint64_t k_max_counted_pixels = std::uint64_t{1} << 53;

/// A confusion matrix and what it was counted with; what --save-confusion writes and --merge adds up.
struct SavedCounts {
  nlohmann::ordered_json source;   ///< model, mode and the like; null when the parts of a sum differ in it
  std::vector<std::string> names;  ///< of the classes
  std::uint64_t images = 0;
  Confusion counts{0};
};

/// JSON text: {"format": "lemore-confusion", "version": 1, "source": {...}, "classes": [names], "images": N,
/// "confusion": [[...], ...]}; row = truth, column = prediction.
std::string to_json_text(const SavedCounts& saved);

/// Reads such a file. Errors: io_error, invalid_file naming the file and what is wrong.
Result<SavedCounts> read_saved_counts(const std::string& path);

/// Adds `part`, which was read from `path`, to `sum`. Errors: invalid_file when the classes differ or the sum would be
/// beyond k_max_counted_pixels; `sum` is unchanged then.
Status add_counts(SavedCounts& sum, const SavedCounts& part, const std::string& path);

/// The rows of a matrix.
nlohmann::ordered_json to_json(const Confusion& counts);

}  // namespace lemore::cli
