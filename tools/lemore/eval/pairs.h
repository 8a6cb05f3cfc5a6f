#pragma once

#include <string>
#include <vector>

#include "lemore/status.h"

namespace lemore::cli {

/// An image and its annotation.
struct Pair {
  std::string image, label;  ///< to open
  std::string name;          ///< path below the folder without ending, the same for both
};

struct PairList {
  std::vector<Pair> pairs;     ///< sorted by name
  std::vector<Status> strays;  ///< one an image or label that has no partner, or more than one; by name
};

/// Matches the images of one folder with the label PNGs of another by their names without ending: images/a/b.jpg goes
/// with labels/a/b.png. Other files in the label folder are passed over. Errors    not_found (not a folder, or nothing
/// in it), io_error.
Result<PairList> find_pairs(const std::string& images, const std::string& labels, bool recursive);

}  // namespace lemore::cli
