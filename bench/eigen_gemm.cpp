#include "bench/eigen_gemm.h"

#include <Eigen/Core>

// The only file that sees Eigen: it is compiled for one ISA, and nothing of it may be merged with other objects.

namespace lemore::bench {

void eigen_gemm(std::size_t m, std::size_t n, std::size_t k, const float* lhs, const float* rhs, float* dst) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(m), columns = static_cast<Eigen::Index>(n),
             depth = static_cast<Eigen::Index>(k);
  Eigen::Map<Matrix>(dst, rows, columns).noalias() =
      Eigen::Map<const Matrix>(lhs, rows, depth) * Eigen::Map<const Matrix>(rhs, depth, columns);
}

}  // namespace lemore::bench
