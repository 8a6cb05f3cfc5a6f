#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lemore/model.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// What the values of annotation pictures stand for: class = value - annotation offset. The ignore label (a value,
/// before the offset is taken away) and values below the offset have no class and do not count.
class LabelValues {
 public:
  static constexpr int k_ignored = -1, k_unknown = -2;

  LabelValues(int classes, int annotation_offset, int ignore_label) noexcept;
  explicit LabelValues(const Model& model) noexcept;
  /// A meaning for each of the values 0, 1, ..., at most 256: a class or k_ignored.
  explicit LabelValues(const std::vector<int>& meanings) noexcept;

  /// 0..classes-1, k_ignored or k_unknown.
  int class_of(std::uint8_t value) const noexcept { return class_of_[value]; }

  /// Errors    invalid_file for the first pixel (in reading order) of a value that is neither a class nor ignored; the
  /// message names value, pixel and the values that would do, not the file.
  Status check(const LabelMap& annotation) const;

 private:
  std::array<std::int16_t, 256> class_of_{};
  int offset_ = 0, classes_ = 0, ignore_label_ = -1;
};

}  // namespace lemore::cli
