#include "eval/confusion.h"

#include <algorithm>
#include <numeric>

namespace lemore::cli {

namespace {

std::optional<double> ratio(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<double> mean(const std::vector<ClassScore>& classes, std::optional<double> ClassScore::*figure) {
  double sum = 0;
  std::size_t present = 0;
  for (const ClassScore& c : classes) {
    if (!(c.*figure)) continue;
    sum += *(c.*figure);
    ++present;
  }
  if (present == 0) return std::nullopt;
  return sum / static_cast<double>(present);
}

}  // namespace

std::uint64_t Confusion::pixels() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

void Confusion::clear() noexcept { std::fill(counts_.begin(), counts_.end(), 0); }

void Confusion::count(const LabelMap& annotation, const LabelMap& prediction, const LabelValues& values) noexcept {
  const std::size_t pixels =
      static_cast<std::size_t>(annotation.size.height) * static_cast<std::size_t>(annotation.size.width);
  // Neighbours mostly agree: a run of equal pairs is counted once, at its end.
  for (std::size_t at = 0; at < pixels;) {
    const std::uint8_t value = annotation.labels[at], predicted = prediction.labels[at];
    const std::size_t start = at;
    do ++at;
    while (at < pixels && annotation.labels[at] == value && prediction.labels[at] == predicted);
    const int truth = values.class_of(value);
    if (truth >= 0) this->at(static_cast<std::size_t>(truth), predicted) += at - start;
  }
}

void Confusion::add(const Confusion& other) noexcept {
  std::transform(counts_.begin(), counts_.end(), other.counts_.begin(), counts_.begin(), std::plus<>());
}

Scores scores_of(const Confusion& counts) {
  const std::uint64_t pixels = counts.pixels();
  Scores scores;
  std::uint64_t all_hits = 0;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    std::uint64_t truth = 0, predicted = 0;
    for (std::size_t other = 0; other < counts.classes(); ++other) {
      truth += counts.at(c, other);
      predicted += counts.at(other, c);
    }
    const std::uint64_t hits = counts.at(c, c);
    all_hits += hits;
    scores.classes.push_back({ratio(hits, truth + predicted - hits), ratio(hits, truth), ratio(truth, pixels)});
  }
  scores.miou = mean(scores.classes, &ClassScore::iou);
  scores.mean_accuracy = mean(scores.classes, &ClassScore::accuracy);
  scores.pixel_accuracy = ratio(all_hits, pixels);
  return scores;
}

}  // namespace lemore::cli
