#include "kernels/ops/add.h"

#include "reference/add.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

enum class Output { own, is_a, is_b };

void check_add(const kernels::KernelTable& table, std::size_t n, Output output, std::uint64_t seed) {
  Random random(seed);
  Floats a(n, 0.0f, static_cast<std::size_t>(seed % 3)), b(n), own(n, k_nan, static_cast<std::size_t>(seed % 5));
  fill_random(a, random, -2.0f, 2.0f);
  fill_random(b, random, -2.0f, 2.0f);
  if (n > 2) a[n / 2] = k_nan;
  Floats& y = output == Output::own ? own : output == Output::is_a ? a : b;
  kernels::Add args;
  args.n = n;
  args.a = a.data();
  args.b = b.data();
  args.y = y.data();
  std::vector<double> expected;  // before the kernel, which may overwrite its input
  for (std::size_t i = 0; i < n; ++i) expected.push_back(reference::add(args, i));
  table.add(args);

  Comparison comparison(table, "add n " + std::to_string(n) + " output " + std::to_string(static_cast<int>(output)),
                        seed);
  for (std::size_t i = 0; i < n; ++i)
    comparison.element({i}, expected[i], static_cast<double>(y[i]), k_eps * std::fabs(expected[i]));
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("add gives the rounded sum", "[kernels][add]") {
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 3000;
    const std::size_t lanes = table.lanes;
    for (const Output output : {Output::own, Output::is_a, Output::is_b})
      for (const std::size_t n : {std::size_t{0}, std::size_t{1}, lanes - 1, lanes, lanes + 1, 5 * lanes + 3})
        check_add(table, n, output, ++seed);
  });
}

}  // namespace lemore::test
