#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/confusion.h"
#include "eval/pairs.h"
#include "lemore/status.h"
#include "run/shard.h"

namespace lemore::cli {

/// Most pixels a set of counts may hold: beyond 2^53 JSON readers that keep numbers as doubles would round.
constexpr std::uint64_t k_max_counted_pixels = std::uint64_t{1} << 53;

/// Which part of which evaluation counts are: what --merge needs to see that the parts make a whole.
struct RunPart {
  Shard shard;
  std::uint64_t pairs = 0;   ///< images with labels of the whole evaluation
  std::string pairs_digest;  ///< of their names: parts of one evaluation have the same
  std::uint64_t failed = 0;  ///< images of this part that failed and were not counted (--keep-going)
};

/// A digest of the names of an evaluation's pairs, sorted as find_pairs has them.
std::string digest_of(const std::vector<Pair>& pairs);

/// A confusion matrix and what it was counted with; what --save-confusion writes and --merge adds up.
struct SavedCounts {
  nlohmann::ordered_json source;  ///< model, mode and the like
  RunPart part;
  std::vector<std::string> names;  ///< of the classes
  std::uint64_t images = 0;
  Confusion counts{0};
};

/// The JSON text that docs/json.md describes.
std::string to_json_text(const SavedCounts& saved);

/// Reads such a file. Errors: io_error, invalid_file naming the file and what is wrong.
Result<SavedCounts> read_saved_counts(const std::string& path);

/// Adds up the parts of one evaluation: all of them, each once, in any order. `paths` names their files.
/// Errors    invalid_file naming the file at fault: other classes, another model, mode or label map, a part of another
///           evaluation, a part that is there twice or missing, or a sum beyond k_max_counted_pixels
/// Requires  at least one part, as many paths
Result<SavedCounts> merge_counts(const std::vector<SavedCounts>& parts, const std::vector<std::string>& paths);

/// The rows of a matrix.
nlohmann::ordered_json to_json(const Confusion& counts);

}  // namespace lemore::cli
