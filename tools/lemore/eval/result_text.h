#pragma once

#include <string>

#include "eval/saved_counts.h"

namespace lemore::cli {

/// A line a class (IoU, accuracy, share of the labelled pixels; '-' where a class is absent), the means and what they
/// were made from.
std::string result_table(const SavedCounts& result);

/// The same as JSON: miou, mean_accuracy, pixel_accuracy, classes[{name, iou, accuracy, share}], confusion (rows of
/// integers; row = truth, column = prediction), images, failed, pixels, source. Figures that do not exist are null.
std::string result_json(const SavedCounts& result);

}  // namespace lemore::cli
