#include "eval/label_values.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace lemore::cli {

LabelValues::LabelValues(int classes, int annotation_offset, int ignore_label) noexcept
    : offset_(annotation_offset), classes_(classes), ignore_label_(ignore_label) {
  for (int value = 0; value < 256; ++value) {
    const int index = value - annotation_offset;
    const int meaning = value == ignore_label || index < 0 ? k_ignored : index < classes ? index : k_unknown;
    class_of_[static_cast<std::size_t>(value)] = static_cast<std::int16_t>(meaning);
  }
}

LabelValues::LabelValues(const Model& model) noexcept
    : LabelValues(static_cast<int>(model.classes().size()), model.annotation_offset(), model.ignore_label()) {}

LabelValues::LabelValues(const std::vector<int>& meanings) noexcept {
  class_of_.fill(k_unknown);
  std::transform(meanings.begin(), meanings.end(), class_of_.begin(),
                 [](int meaning) { return static_cast<std::int16_t>(meaning); });
}

Status LabelValues::check(const LabelMap& annotation) const {
  const ClassPixels counts = count_classes(annotation);
  bool is_known = true;
  for (std::size_t value = 0; value < 256; ++value)
    is_known = is_known && (counts[value] == 0 || class_of_[value] != k_unknown);
  if (is_known) return Status();

  const auto width = static_cast<std::size_t>(annotation.size.width);
  const std::uint8_t* end = annotation.labels + width * static_cast<std::size_t>(annotation.size.height);
  const std::uint8_t* bad =
      std::find_if(annotation.labels, end, [&](std::uint8_t value) { return class_of_[value] == k_unknown; });
  const auto at = static_cast<std::size_t>(bad - annotation.labels);
  std::string text = "value " + std::to_string(*bad) + " at pixel x " + std::to_string(at % width) + ", y " +
                     std::to_string(at / width) + ": expected " + std::to_string(offset_) + " to " +
                     std::to_string(offset_ + classes_ - 1);
  if (ignore_label_ >= 0) text += " or " + std::to_string(ignore_label_) + " (ignored)";
  text += "; --label-map gives values another meaning";
  return Status(StatusCode::invalid_file, text);
}

}  // namespace lemore::cli
