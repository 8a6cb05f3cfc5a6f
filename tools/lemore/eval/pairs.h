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
  std::vector<Pair> pairs;           ///< sorted by name
  std::vector<Status> strays;        ///< one for each image or label that has no partner, or several; by name
  std::size_t passed_over = 0;       ///< images whose names do not follow the pattern
  std::vector<std::string> special;  ///< pipes, sockets and devices in either folder, passed over (InputList)
};

/// --pair 'IMAGE=LABEL': how the names of an image and its label correspond; {} stands for what they share.
/// '{}_leftImg8bit.png={}_gtFine_labelTrainIds.png' pairs a/x_leftImg8bit.png with a/x_gtFine_labelTrainIds.png.
struct PairPattern {
  /// One side. Names of files only: folders must be equal. Where no dot follows {}, any ending does.
  struct Side {
    std::string before, after;
    bool has_ending = false;
  };
  Side image, label;
};

/// Errors    invalid_argument.
Result<PairPattern> parse_pair_pattern(const std::string& text);

/// Matches the images of one folder with the label PNGs of another: images/a/b.jpg goes with labels/a/b.png, or, given
/// a pattern, as it says. Which files are images is said once, in run/inputs.h. Other files in the label folder are
/// passed over, and, given a pattern, labels that do not follow it.
/// Errors    not_found (not a folder, or nothing in it, or no image follows the pattern), io_error
Result<PairList> find_pairs(const std::string& images, const std::string& labels, bool recursive,
                            const PairPattern* pattern = nullptr);

}  // namespace lemore::cli
