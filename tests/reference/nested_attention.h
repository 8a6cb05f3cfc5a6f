#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/ops/nested_attention.h"
#include "reference/activation.h"

namespace lemore::reference {

/// psi of one query row: the sum over all pairs of branches of softmax(scale * Q_i K_j^T). keys are as TransposeKeys
/// writes them. `largest` gets the largest sum of |q k| met, for the tolerance.
inline std::vector<double> attention_row(const kernels::NestedAttention& a, std::size_t row, double* largest) {
  std::vector<double> psi(a.tokens, 0.0);
  *largest = 0.0;
  for (std::size_t i = 0; i < a.branches; ++i) {
    for (std::size_t j = 0; j < a.branches; ++j) {
      std::vector<double> score(a.tokens, 0.0);
      double maximum = -HUGE_VAL, total = 0.0;
      for (std::size_t t = 0; t < a.tokens; ++t) {
        double magnitude = 0.0;
        for (std::size_t d = 0; d < a.key_dim; ++d) {
          const double product = static_cast<double>(a.q[row * a.q_stride + i * a.q_branch_stride + d]) *
                                 a.keys[j * a.keys_branch_stride + d * a.keys_stride + t];
          score[t] += product;
          magnitude += std::fabs(product);
        }
        score[t] *= a.scale;
        maximum = std::max(maximum, score[t]);
        *largest = std::max(*largest, magnitude);
      }
      for (double& s : score) total += s = std::exp(s - maximum);
      for (std::size_t t = 0; t < a.tokens; ++t) psi[t] += score[t] / total;
    }
  }
  return psi;
}

}  // namespace lemore::reference
