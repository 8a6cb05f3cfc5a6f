#include "kernels/ops/average_pool.h"

#include "reference/average_pool.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::AveragePool;
using kernels::KernelTable;

/// `gap` values that no window may read lie behind every run of n.
void check_mean(const KernelTable& table, std::size_t rows, std::size_t cols, std::size_t n, std::size_t gap,
                float offset, std::uint64_t seed) {
  Random random(seed);
  AveragePool a;
  a.rows = rows;
  a.cols = cols;
  a.n = n;
  a.col_stride = n + gap;
  a.row_stride = cols * a.col_stride + 3 * gap;
  Floats x((rows - 1) * a.row_stride + (cols - 1) * a.col_stride + n, k_nan, gap);
  Floats y(n, k_nan, gap);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t q = 0; q < cols; ++q)
      for (std::size_t i = 0; i < n; ++i)
        x[r * a.row_stride + q * a.col_stride + i] = offset + random.uniform(-1.0f, 1.0f);
  a.x = x.data();
  a.y = y.data();
  table.average_pool(a);

  Comparison comparison(table,
                        "average_pool rows " + std::to_string(rows) + " cols " + std::to_string(cols) + " n " +
                            std::to_string(n) + " gap " + std::to_string(gap),
                        seed);
  for (std::size_t i = 0; i < n; ++i) {
    const auto expected = reference::average_pool(a, i);
    comparison.element(
        {i}, expected.value, static_cast<double>(y[i]),
        static_cast<double>(kernels::average_pool_tol) * static_cast<double>(rows + cols) * k_eps * expected.magnitude);
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("average_pool is the mean of its window", "[kernels][average_pool]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 100;
    const std::size_t lanes = table.lanes;
    for (const std::size_t rows : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{5}, std::size_t{9}})
      for (const std::size_t cols : {1, 2, 3, 4, 5, 8, 11})
        for (const std::size_t n : {std::size_t{1}, std::size_t{3}, std::size_t{12}, lanes - 1, lanes, lanes + 1,
                                    2 * lanes, 2 * lanes + 1, 5 * lanes - 1})
          for (const std::size_t gap : {0, 1, 5}) check_mean(table, rows, cols, n, gap, 0.0f, ++seed);
  });
}

TEST_CASE("average_pool at the sizes of the network", "[kernels][average_pool]") {
  for_each_table([](const KernelTable& table) {
    for (const std::size_t c : {8, 9, 16, 17, 20, 28, 40, 80, 96, 150}) {
      check_mean(table, 1, 64, c, 0, 0.0f, 200 + c);       // over the width
      check_mean(table, 33, 1, 31 * c, 0, 0.0f, 300 + c);  // over the height
      check_mean(table, 7, 9, c, 0, 0.0f, 400 + c);        // global
    }
    // Far from zero, where a careless sum loses most.
    check_mean(table, 128, 1, 200, 0, 1000.0f, 500);
    check_mean(table, 1, 257, 40, 0, 1000.0f, 501);
    check_mean(table, 65, 63, 7, 2, 1000.0f, 502);
  });
}

}  // namespace lemore::test
