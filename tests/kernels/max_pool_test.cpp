#include "kernels/ops/max_pool.h"

#include "reference/max_pool.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using kernels::MaxPool;

void check_max_pool(const KernelTable& table, std::size_t h, std::size_t w, std::size_t c, std::size_t kh,
                    std::size_t kw, std::size_t stride, std::uint64_t seed) {
  if (h < kh || w < kw) return;
  Random random(seed);
  MaxPool a;
  a.w = w;
  a.c = c;
  a.kh = kh;
  a.kw = kw;
  a.stride = stride;
  a.out_w = (w - kw) / stride + 1;
  const std::size_t out_h = (h - kh) / stride + 1;
  Floats x(h * w * c), y(out_h * a.out_w * c, k_nan, 1);
  fill_random(x, random, -9.0f, -1.0f);
  x[random.below(x.size())] = k_nan;
  x[random.below(x.size())] = -k_infinity;
  x[random.below(x.size())] = k_infinity;
  a.x = x.data();
  // In two shares of rows.
  a.row_end = out_h / 2;
  a.y = y.data();
  table.max_pool(a);
  a.row_begin = a.row_end;
  a.row_end = out_h;
  a.y = y.data() + a.row_begin * a.out_w * c;
  table.max_pool(a);

  std::ostringstream what;
  what << "max_pool " << h << "x" << w << "x" << c << " window " << kh << "x" << kw << " stride " << stride;
  Comparison comparison(table, what.str(), seed);
  for (std::size_t row = 0; row < out_h; ++row)
    for (std::size_t o = 0; o < a.out_w; ++o)
      for (std::size_t i = 0; i < c; ++i)
        comparison.element({row, o, i}, reference::max_pool(a, row, o, i), y[(row * a.out_w + o) * c + i], 0.0);
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("max_pool takes the largest of its window", "[kernels][max_pool]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 0;
    const std::size_t l = table.lanes;
    for (const std::size_t c : {std::size_t{1}, l - 1, l, l + 1, 2 * l + 1})
      for (const std::size_t h : {1, 2, 3, 8, 9})
        for (const std::size_t w : {1, 2, 5, 12}) {
          check_max_pool(table, h, w, c, 2, 2, 2, ++seed);
          check_max_pool(table, h, w, c, 3, 3, 2, ++seed);
          check_max_pool(table, h, w, c, 1, 3, 1, ++seed);
        }
  });
}

}  // namespace lemore::test
