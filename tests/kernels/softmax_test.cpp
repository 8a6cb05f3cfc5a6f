#include "kernels/ops/softmax.h"

#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using kernels::Softmax;

void check_softmax(const KernelTable& table, std::size_t pixels, std::size_t c, std::size_t gap, float low, float high,
                   bool in_place, std::uint64_t seed) {
  Random random(seed);
  const std::size_t stride = c + gap, size = matrix_size(pixels, c, stride);
  Floats x(size, k_nan, gap), own(size, k_nan, gap);
  fill_matrix(x, pixels, c, stride, random, low, high);
  if (pixels > 0 && c > 2) x[random.below(pixels) * stride + random.below(c)] = -k_infinity;
  const std::vector<float> input(x.begin(), x.end());
  Floats& y = in_place ? x : own;
  Softmax a;
  a.pixels = pixels;
  a.c = c;
  a.x = x.data();
  a.x_stride = a.y_stride = stride;
  a.y = y.data();
  table.softmax(a);

  std::ostringstream what;
  what << "softmax " << pixels << " x " << c << " of " << low << ".." << high << (in_place ? " in place" : "");
  Comparison comparison(table, what.str(), seed);
  for (std::size_t p = 0; p < pixels; ++p) {
    double largest = -HUGE_VAL, sum = 0;
    for (std::size_t i = 0; i < c; ++i) largest = std::max(largest, static_cast<double>(input[p * stride + i]));
    for (std::size_t i = 0; i < c; ++i) sum += std::exp(static_cast<double>(input[p * stride + i]) - largest);
    for (std::size_t i = 0; i < stride && p * stride + i < size; ++i) {
      const double actual = static_cast<double>(y[p * stride + i]);
      if (i >= c) {
        comparison.require(std::isnan(actual), "wrote between the pixels");
        continue;
      }
      const double below = largest - static_cast<double>(input[p * stride + i]);
      const double expected = std::exp(-below) / sum, steps = below + static_cast<double>(c) / 16 + 8;
      const double relative = std::isinf(below) ? 0.0 : static_cast<double>(kernels::softmax_tol) * k_eps * steps;
      comparison.element({p, i}, expected, actual, relative * expected + 0x1p-124);
    }
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("softmax of each pixel", "[kernels][softmax]") {
  for_each_table([](const KernelTable& table) {
    const std::size_t l = table.lanes;
    std::uint64_t seed = 0;
    for (const std::size_t c : {std::size_t{1}, std::size_t{2}, l - 1, l, l + 1, 3 * l - 1, 3 * l, 5 * l + 2,
                                std::size_t{19}, std::size_t{150}, std::size_t{171}})
      for (const std::size_t pixels : {0, 1, 5})
        for (const bool in_place : {false, true}) {
          check_softmax(table, pixels, c, c % 3, -4.0f, 4.0f, in_place, ++seed);
          check_softmax(table, pixels, c, 0, -3000.0f, -2000.0f, in_place, ++seed);
          check_softmax(table, pixels, c, 1, 500.0f, 600.0f, in_place, ++seed);
        }
  });
}

TEST_CASE("softmax of NaN and infinities", "[kernels][softmax]") {
  for_each_table([](const KernelTable& table) {
    for (const std::size_t c : {std::size_t{3}, 2 * table.lanes + 1, 4 * table.lanes}) {
      for (const std::size_t at : {std::size_t{0}, c - 1}) {
        for (const float bad : {k_nan, k_infinity}) {
          Floats x(3 * c, 1.0f), y(3 * c);
          x[c + at] = bad;
          table.softmax({3, c, x.data(), c, y.data(), c});
          for (std::size_t i = 0; i < 3 * c; ++i) REQUIRE(std::isnan(y[i]) == (i / c == 1));
        }
      }
      Floats x(c, -k_infinity), y(c);
      table.softmax({1, c, x.data(), c, y.data(), c});
      for (const float v : y) REQUIRE(std::isnan(v));
      Floats largest(c, 3e38f);
      table.softmax({1, c, largest.data(), c, y.data(), c});
      for (const float v : y) REQUIRE(v == Approx(1.0 / static_cast<double>(c)));
    }
  });
}

}  // namespace lemore::test
