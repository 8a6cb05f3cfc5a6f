#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace lemore::reference {

/// softmax(q k^T) of one query, from its definition. `largest` gets the largest sum of |q k|, for the tolerance.
inline std::vector<double> attention_weights(const float* q, const float* k, std::size_t k_stride, std::size_t keys,
                                             std::size_t dim, double& largest) {
  std::vector<double> weights(keys);
  largest = 0;
  double maximum = -HUGE_VAL, sum = 0;
  for (std::size_t t = 0; t < keys; ++t) {
    double score = 0, magnitude = 0;
    for (std::size_t d = 0; d < dim; ++d) {
      const double product = static_cast<double>(q[d]) * static_cast<double>(k[t * k_stride + d]);
      score += product;
      magnitude += std::fabs(product);
    }
    weights[t] = score;
    maximum = std::max(maximum, score);
    largest = std::max(largest, magnitude);
  }
  for (double& w : weights) sum += w = std::exp(w - maximum);
  for (double& w : weights) w /= sum;
  return weights;
}

}  // namespace lemore::reference
