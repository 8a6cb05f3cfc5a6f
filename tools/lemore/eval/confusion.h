#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "eval/label_values.h"
#include "render/pictures.h"

namespace lemore::cli {

/// How often each true class (row) was predicted as each class (column). Integers, so that parts add up to the whole
/// exactly.
class Confusion {
 public:
  explicit Confusion(std::size_t classes) : classes_(classes), counts_(classes * classes) {}

  std::size_t classes() const noexcept { return classes_; }
  std::uint64_t& at(std::size_t truth, std::size_t prediction) noexcept {
    return counts_[truth * classes_ + prediction];
  }
  std::uint64_t at(std::size_t truth, std::size_t prediction) const noexcept {
    return counts_[truth * classes_ + prediction];
  }
  /// All pixels counted.
  std::uint64_t pixels() const noexcept;
  bool operator==(const Confusion& other) const noexcept { return counts_ == other.counts_; }

  void clear() noexcept;
  /// Counts the pixels of one image; those that are ignored in `annotation` are left out.
  /// Requires  maps of one size, predictions below classes(), and an annotation that `values` has checked.
  void count(const LabelMap& annotation, const LabelMap& prediction, const LabelValues& values) noexcept;
  /// Adds all counts. Requires as many classes.
  void add(const Confusion& other) noexcept;

 private:
  std::size_t classes_;
  std::vector<std::uint64_t> counts_;
};

/// Figures of one class. A figure that would be 0 / 0 is left empty.
struct ClassScore {
  std::optional<double> iou;       ///< hits / (truth + predicted - hits); empty when the class is in neither
  std::optional<double> accuracy;  ///< hits / truth; empty when the class is not in the truth
  std::optional<double> share;     ///< truth / all pixels
};

/// Figures of a confusion matrix. Means run over the classes whose figure is not empty, as MMSegmentation has it.
struct Scores {
  std::optional<double> miou, mean_accuracy, pixel_accuracy;
  std::vector<ClassScore> classes;
};
Scores scores_of(const Confusion& counts);

}  // namespace lemore::cli
