#include "stage_compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lemore::cli {

namespace {

/// The two source positions of an output coordinate and the weight of the second.
struct Tap {
  std::size_t low, high;
  double weight;
};

Tap tap_of(int at, int from, int to) {
  const double source = std::max((at + 0.5) * from / to - 0.5, 0.0);
  const auto low = static_cast<std::size_t>(std::min(static_cast<int>(source), from - 1));
  return {low, std::min(low + 1, static_cast<std::size_t>(from - 1)), source - static_cast<double>(low)};
}

}  // namespace

Difference compare_stage(const float* got, const float* reference, std::size_t channels, std::size_t pixels) {
  double max_abs = 0, max_reference = 0, dot = 0, got_2 = 0, reference_2 = 0;
  bool is_finite = true;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t p = 0; p < pixels; ++p) {
      const double g = static_cast<double>(got[p * channels + c]), r = static_cast<double>(reference[c * pixels + p]);
      // NaN compares false with everything, so it is looked for by name and never lost in a maximum.
      if (!std::isfinite(g) || !std::isfinite(r)) is_finite = false;
      max_abs = std::max(max_abs, std::abs(g - r));
      max_reference = std::max(max_reference, std::abs(r));
      dot += g * r;
      got_2 += g * g;
      reference_2 += r * r;
    }
  }
  Difference d;
  if (!is_finite) {
    d.max_abs = d.relative = std::numeric_limits<double>::infinity();
    d.cosine = 0;
    return d;
  }
  d.max_abs = max_abs;
  d.relative = max_reference > 0 ? max_abs / max_reference : max_abs;
  const double norm = std::sqrt(got_2) * std::sqrt(reference_2);
  d.cosine = norm > 0 ? dot / norm : got_2 == reference_2 ? 1 : 0;
  return d;
}

std::vector<std::uint8_t> reference_labels(const float* logits, std::size_t classes, Size logits_size, Size size) {
  std::vector<std::uint8_t> labels;
  labels.reserve(static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width));
  const auto w = static_cast<std::size_t>(logits_size.width), plane = w * static_cast<std::size_t>(logits_size.height);
  for (int y = 0; y < size.height; ++y) {
    const Tap ty = tap_of(y, logits_size.height, size.height);
    for (int x = 0; x < size.width; ++x) {
      const Tap tx = tap_of(x, logits_size.width, size.width);
      double best = -std::numeric_limits<double>::infinity();
      std::size_t label = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        const float* p = logits + c * plane;
        const auto at = [&](std::size_t row, std::size_t col) { return static_cast<double>(p[row * w + col]); };
        const double top = at(ty.low, tx.low) * (1 - tx.weight) + at(ty.low, tx.high) * tx.weight;
        const double bottom = at(ty.high, tx.low) * (1 - tx.weight) + at(ty.high, tx.high) * tx.weight;
        const double value = top * (1 - ty.weight) + bottom * ty.weight;
        if (value > best) {
          best = value;
          label = c;
        }
      }
      labels.push_back(static_cast<std::uint8_t>(label));
    }
  }
  return labels;
}

}  // namespace lemore::cli
