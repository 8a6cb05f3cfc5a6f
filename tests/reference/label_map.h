#pragma once

// Two oracles of the label map, both over all classes of every pixel: one in the float arithmetic that the contract
// fixes, whose labels must be equal to the bit, and one in double, whose labels must be equal where the best class
// leads by a margin.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/ops/label_map.h"

namespace lemore::reference {

/// One rounding an operation, whatever the compiler would like to fuse.
inline float rounded(float x) {
  volatile float kept = x;
  return kept;
}

inline float lerp_float(float a, float b, float t) { return rounded(rounded(rounded(1.0f - t) * a) + rounded(t * b)); }

inline double lerp_double(double a, double b, double t) { return (1.0 - t) * a + t * b; }

struct Classified {
  std::size_t label = 0;
  double lead = 0;  ///< of the best over the second best value; infinity for a single class
};

/// First class with the largest value(i); NaN never wins, all NaN gives 0.
template <class Value>
Classified classify(std::size_t classes, const Value& value) {
  bool found = false;
  double best = 0, second = -HUGE_VAL;
  Classified result;
  for (std::size_t i = 0; i < classes; ++i) {
    const double v = value(i);
    if (std::isnan(v)) continue;
    if (!found || v > best) {
      if (found) second = best;
      best = v;
      result.label = i;
      found = true;
    } else if (v > second) {
      second = v;
    }
  }
  result.lead = best - second;
  return result;
}

/// `lerp` is lerp_float or lerp_double.
template <class Number, class Lerp>
Classified label_at(const kernels::LabelMap& a, std::size_t row, std::size_t column, const Lerp& lerp) {
  const kernels::ResizeTap ty = a.taps_y[row], tx = a.taps_x[column];
  return classify(a.classes, [&](std::size_t i) -> double {
    const auto at = [&](std::size_t y, std::size_t x) {
      return static_cast<Number>(a.logits[(y * a.w + x) * a.classes + i]);
    };
    return lerp(lerp(at(ty.lo, tx.lo), at(ty.lo, tx.hi), static_cast<Number>(tx.t)),
                lerp(at(ty.hi, tx.lo), at(ty.hi, tx.hi), static_cast<Number>(tx.t)), static_cast<Number>(ty.t));
  });
}

inline Classified label_at_float(const kernels::LabelMap& a, std::size_t row, std::size_t column) {
  return label_at<float>(a, row, column, [](float p, float q, float t) { return lerp_float(p, q, t); });
}

inline Classified label_at_double(const kernels::LabelMap& a, std::size_t row, std::size_t column) {
  return label_at<double>(a, row, column, [](double p, double q, double t) { return lerp_double(p, q, t); });
}

/// Softmax probability of class `label` of x [classes], numbers only.
inline double confidence(const float* x, std::size_t classes, std::size_t label) {
  double sum = 0;
  for (std::size_t i = 0; i < classes; ++i) sum += std::exp(static_cast<double>(x[i]) - static_cast<double>(x[label]));
  return 1.0 / sum;
}

}  // namespace lemore::reference
