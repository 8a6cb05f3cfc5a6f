#include "kernels/ops/gemm.h"

#include <algorithm>
#include <memory>

#include "reference/gemm.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::Gemm;
using kernels::k_panel;

/// Which of the options of Gemm a problem uses.
struct Options {
  bool packed = true;  ///< rhs in panels of 16, else a plain matrix
  bool accumulate = false, scale = false, bias = false;
  enum { no_residual, own_residual, dst_is_residual } residual = no_residual;
  Activation activation = Activation::none;
  std::size_t lhs_pad = 0, rhs_pad = 0, dst_pad = 0, shift = 0;
};

Options random_options(Random& random) {
  Options o;
  o.packed = random.flip();
  o.accumulate = random.flip();
  o.scale = random.flip();
  o.bias = random.flip();
  o.residual = static_cast<decltype(o.residual)>(random.below(3));
  o.activation = static_cast<Activation>(random.below(5));
  o.lhs_pad = random.below(3);
  o.rhs_pad = random.below(3);
  o.dst_pad = random.below(4);
  o.shift = random.below(4);
  return o;
}

std::string describe(std::size_t m, std::size_t n, std::size_t k, const Options& o) {
  std::ostringstream text;
  text << "gemm m=" << m << " n=" << n << " k=" << k << (o.packed ? " packed" : " plain")
       << (o.accumulate ? " accumulate" : "") << (o.scale ? " scale" : "") << (o.bias ? " bias" : "")
       << " residual=" << o.residual << " activation=" << static_cast<int>(o.activation) << " pads " << o.lhs_pad << ","
       << o.rhs_pad << "," << o.dst_pad;
  return text.str();
}

/// A Gemm with its operands. What a kernel may not use is NaN: between the rows, and behind n in the panels.
struct Problem {
  Floats lhs, rhs, dst, scale, bias, residual;
  Gemm g;

  Problem(std::size_t m, std::size_t n, std::size_t k, const Options& o, std::uint64_t seed)
      : lhs(matrix_size(m, k, k + o.lhs_pad), k_nan, o.shift),
        rhs(o.packed ? (n + 15) / 16 * 16 * k : matrix_size(k, n, n + o.rhs_pad), k_nan),
        dst(matrix_size(m, n, n + o.dst_pad), k_nan, o.shift),
        scale(n, k_nan),
        bias(n, k_nan),
        residual(matrix_size(m, n, n + o.dst_pad), k_nan) {
    Random random(seed);
    fill_matrix(lhs, m, k, k + o.lhs_pad, random);
    if (o.packed) {
      for (std::size_t j = 0; j < n; ++j)
        for (std::size_t r = 0; r < k; ++r) rhs[j / 16 * 16 * k + r * 16 + j % 16] = random.uniform(-1, 1);
    } else {
      fill_matrix(rhs, k, n, n + o.rhs_pad, random);
    }
    fill_matrix(residual, m, n, n + o.dst_pad, random, -4, 4);
    if (o.accumulate || o.residual == Options::dst_is_residual) fill_matrix(dst, m, n, n + o.dst_pad, random, -4, 4);
    fill_random(scale, random, -2, 2);
    fill_random(bias, random, -3, 6);
    g.m = m;
    g.n = n;
    g.k = k;
    g.lhs = lhs.data();
    g.lhs_stride = k + o.lhs_pad;
    g.rhs = rhs.data();
    g.rhs_k_stride = o.packed ? k_panel : n + o.rhs_pad;
    g.rhs_panel_stride = o.packed ? k_panel * k : k_panel;
    g.rhs_padded = o.packed;
    g.dst = dst.data();
    g.dst_stride = n + o.dst_pad;
    g.accumulate = o.accumulate;
    g.scale = o.scale ? scale.data() : nullptr;
    g.bias = o.bias ? bias.data() : nullptr;
    g.activation = o.activation;
    g.residual = o.residual == Options::no_residual    ? nullptr
                 : o.residual == Options::own_residual ? residual.data()
                                                       : dst.data();
    g.residual_stride = n + o.dst_pad;
  }

  bool intact() const {
    return lhs.front_intact() && rhs.front_intact() && dst.front_intact() && scale.front_intact() &&
           bias.front_intact() && residual.front_intact();
  }
};

std::string run_and_compare(const kernels::KernelTable& table, std::size_t m, std::size_t n, std::size_t k,
                            const Options& o, std::uint64_t seed) {
  Problem problem(m, n, k, o, seed);
  const std::vector<float> old(problem.dst.begin(), problem.dst.end());
  table.gemm(problem.g);
  Comparison comparison(table, describe(m, n, k, o), seed);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const reference::Bounded expected = reference::gemm(problem.g, old.data(), i, j);
      comparison.element({i, j}, expected.value, problem.dst[i * problem.g.dst_stride + j], expected.tolerance);
    }
    for (std::size_t j = n; j < problem.g.dst_stride && i + 1 < m; ++j)
      comparison.require(std::isnan(problem.dst[i * problem.g.dst_stride + j]), "wrote between the rows of dst");
  }
  comparison.require(problem.intact(), "wrote outside a buffer");
  return comparison.report();
}

}  // namespace

TEST_CASE("gemm agrees with the sum of products at every tile edge", "[kernels][gemm]") {
  for_each_table([](const kernels::KernelTable& table) {
    const std::size_t l = table.lanes;
    std::vector<std::size_t> ms = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 25};
    std::vector<std::size_t> ns = {0, 1, 3, l - 1, l, l + 1, 2 * l + 1, 15, 16, 17, 20, 28, 40, 47, 48, 49, 63, 64, 80};
    const std::size_t ks[] = {0, 1, 2, 9, 17, 48};
    std::uint64_t seed = 1;
    for (const std::size_t m : ms) {
      for (const std::size_t n : ns) {
        for (const std::size_t k : ks) {
          Random random(++seed);
          const std::string report = run_and_compare(table, m, n, k, random_options(random), seed);
          if (!report.empty()) CHECK(report == "");
        }
      }
    }
    CHECK(seed > 1);
  });
}

TEST_CASE("gemm of the network's shapes", "[kernels][gemm]") {
  struct Shape {
    std::size_t m, n, k;
  };
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 100;
    for (const Shape s : {Shape{64, 96, 16},
                          {64, 40, 240},
                          {48, 232, 64},
                          {48, 464, 232},
                          {33, 150, 128},
                          {50, 80, 480},
                          {26, 300, 480}}) {
      Options o;
      o.bias = true;
      o.activation = Activation::relu6;
      CHECK(run_and_compare(table, s.m, s.n, s.k, o, ++seed) == "");
      o.residual = Options::dst_is_residual;
      CHECK(run_and_compare(table, s.m, s.n, s.k, o, ++seed) == "");
    }
  });
}

TEST_CASE("gemm with a plain right side of every kind", "[kernels][gemm]") {
  struct Shape {
    std::size_t m, n, k;
  };
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 200;
    // Rows far apart (copied), and sums longer than a copied block (512), both with and without a last piece of panel.
    for (const Shape s : {Shape{40, 272, 40}, {33, 270, 129}, {3, 33, 513}, {70, 20, 1100}, {64, 16, 512}}) {
      Options o;
      o.packed = false;
      CHECK(run_and_compare(table, s.m, s.n, s.k, o, ++seed) == "");
      Random random(seed);
      o = random_options(random);
      o.packed = false;
      o.accumulate = true;
      o.residual = Options::dst_is_residual;
      CHECK(run_and_compare(table, s.m, s.n, s.k, o, ++seed) == "");
    }
  });
}

TEST_CASE("the bits of a product depend on its row and column alone", "[kernels][gemm]") {
  for_each_table([](const kernels::KernelTable& table) {
    for (const bool packed : {true, false}) {
      Options o;
      o.packed = packed;
      o.bias = true;
      o.scale = true;
      o.activation = Activation::hardswish;
      const std::size_t m = 61, n = 83, k = 530;
      Problem whole(m, n, k, o, 5);
      table.gemm(whole.g);
      // Rows one by one, in twos, sevens and thirteens, and the columns cut off at several places.
      for (const std::size_t rows : {1, 2, 7, 13}) {
        for (const std::size_t columns : {n, std::size_t{64}, std::size_t{37}, std::size_t{3}}) {
          Floats part(m * n, k_nan);
          for (std::size_t row = 0; row < m; row += rows) {
            Gemm g = whole.g;
            g.m = std::min(rows, m - row);
            g.n = columns;
            g.lhs += row * g.lhs_stride;
            g.dst = part.data() + row * n;
            table.gemm(g);
          }
          bool same = true;
          for (std::size_t i = 0; i < m; ++i)
            same = same && std::memcmp(&part[i * n], &whole.dst[i * n], columns * sizeof(float)) == 0;
          INFO(table.isa << (packed ? " packed" : " plain") << ", " << rows << " rows, " << columns << " columns");
          CHECK(same);
        }
      }
    }
  });
}

TEST_CASE("packed and plain products have the same bits", "[kernels][gemm]") {
  for_each_table([](const kernels::KernelTable& table) {
    const std::size_t m = 35, n = 300, k = 57;
    Options o;
    o.packed = false;
    Problem plain(m, n, k, o, 9);
    o.packed = true;
    Problem packed(m, n, k, o, 9);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t r = 0; r < k; ++r) packed.rhs[j / 16 * 16 * k + r * 16 + j % 16] = plain.rhs[r * n + j];
    packed.g.lhs = plain.g.lhs;
    table.gemm(plain.g);
    table.gemm(packed.g);
    CHECK(std::memcmp(plain.dst.data(), packed.dst.data(), m * n * sizeof(float)) == 0);
  });
}

TEST_CASE("NaN passes through a product and its activation", "[kernels][gemm]") {
  for_each_table([](const kernels::KernelTable& table) {
    for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6, Activation::hardswish,
                                        Activation::sigmoid, Activation::gelu}) {
      Options o;
      o.activation = activation;
      Problem problem(9, 19, 5, o, 11);
      problem.lhs[3 * 5 + 2] = k_nan;
      table.gemm(problem.g);
      for (std::size_t i = 0; i < 9; ++i)
        for (std::size_t j = 0; j < 19; ++j) REQUIRE(std::isnan(problem.dst[i * 19 + j]) == (i == 3));
    }
  });
}

}  // namespace lemore::test
