#include "kernels/ops/resize.h"

#include "reference/resize.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;

struct Size {
  std::size_t h, w, out_h, out_w, c;
};

std::string name_of(const char* kernel, const Size& s, std::size_t begin, std::size_t end) {
  std::ostringstream text;
  text << kernel << " [" << s.h << ", " << s.w << "] -> [" << s.out_h << ", " << s.out_w << "] c " << s.c << " rows "
       << begin << ".." << end;
  return text.str();
}

double largest(const Floats& values) {
  double most = 0;
  for (const float x : values) most = std::max(most, std::fabs(static_cast<double>(x)));
  return most;
}

void check_resize(const KernelTable& table, const Size& s, std::size_t begin, std::size_t end, bool accumulate,
                  std::uint64_t seed) {
  Random random(seed);
  Floats x(s.h * s.w * s.c), y(s.out_h * s.out_w * s.c);
  fill_random(x, random, -3.0f, 3.0f);
  fill_random(y, random, -3.0f, 3.0f);
  const std::vector<float> before(y.begin(), y.end());
  const auto taps_y = reference::resize_taps(s.h, s.out_h), taps_x = reference::resize_taps(s.w, s.out_w);
  table.resize({s.w, s.c, s.out_w, begin, end, taps_y.data(), taps_x.data(), x.data(), y.data(), accumulate});

  const auto expected = reference::resize({x.begin(), x.end()}, s.w, s.c, taps_y, taps_x);
  const double most = largest(x), factor = static_cast<double>(kernels::resize_tol) * k_eps;
  Comparison comparison(table, name_of(accumulate ? "resize, accumulating," : "resize", s, begin, end), seed);
  for (std::size_t at = 0; at < expected.size(); ++at) {
    const std::size_t row = at / s.c / s.out_w, column = at / s.c % s.out_w, i = at % s.c;
    const double old = static_cast<double>(before[at]);
    if (row < begin || row >= end)
      comparison.element({row, column, i}, old, static_cast<double>(y[at]), 0.0);
    else
      comparison.element({row, column, i}, expected[at] + (accumulate ? old : 0.0), static_cast<double>(y[at]),
                         factor * (most + std::fabs(static_cast<double>(y[at]))));
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

void check_fusion(const KernelTable& table, const Size& s, std::size_t begin, std::size_t end, bool in_place,
                  std::uint64_t seed) {
  Random random(seed);
  Floats gate(s.h * s.w * s.c), globl(s.h * s.w * s.c), local(s.out_h * s.out_w * s.c), own(local.size(), 7.0f);
  fill_random(gate, random, 0.0f, 1.0f);
  fill_random(globl, random, -3.0f, 3.0f);
  fill_random(local, random, -3.0f, 3.0f);
  const std::vector<float> before(local.begin(), local.end());
  Floats& y = in_place ? local : own;
  const std::vector<float> untouched(y.begin(), y.end());
  const auto taps_y = reference::resize_taps(s.h, s.out_h), taps_x = reference::resize_taps(s.w, s.out_w);
  const double tolerance =
      (static_cast<double>(kernels::resize_tol) + 3.0) * k_eps * (largest(local) * largest(gate) + largest(globl));
  table.gated_fusion(
      {s.w, s.c, s.out_w, begin, end, taps_y.data(), taps_x.data(), local.data(), gate.data(), globl.data(), y.data()});

  const auto gates = reference::resize({gate.begin(), gate.end()}, s.w, s.c, taps_y, taps_x);
  const auto globls = reference::resize({globl.begin(), globl.end()}, s.w, s.c, taps_y, taps_x);
  Comparison comparison(table, name_of(in_place ? "gated_fusion, in place," : "gated_fusion", s, begin, end), seed);
  for (std::size_t at = 0; at < gates.size(); ++at) {
    const std::size_t row = at / s.c / s.out_w, column = at / s.c % s.out_w, i = at % s.c;
    const bool inside = row >= begin && row < end;
    comparison.element(
        {row, column, i},
        inside ? static_cast<double>(before[at]) * gates[at] + globls[at] : static_cast<double>(untouched[at]),
        static_cast<double>(y[at]), inside ? tolerance : 0.0);
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

// Larger, smaller, the same, both at once, one pixel to and from.
const Size k_sizes[] = {{1, 1, 1, 1, 0},  {1, 1, 7, 5, 0},  {5, 7, 1, 1, 0},  {3, 5, 3, 5, 0},  {2, 2, 16, 16, 0},
                        {4, 3, 9, 17, 0}, {9, 11, 4, 3, 0}, {5, 6, 3, 13, 0}, {13, 1, 1, 6, 0}, {7, 5, 8, 6, 0}};

}  // namespace

TEST_CASE("resize is bilinear with half-pixel centres", "[kernels][resize]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 3000;
    for (Size s : k_sizes)
      for (const std::size_t c : {1, 3, 7, 8, 9, 12, 16, 17, 20, 28, 40, 150}) {
        s.c = c;
        for (const bool accumulate : {false, true}) check_resize(table, s, 0, s.out_h, accumulate, ++seed);
      }
    for (std::size_t begin = 0; begin < 9; ++begin)
      for (std::size_t end = begin; end <= 9; ++end) check_resize(table, {2, 3, 9, 4, 5}, begin, end, false, ++seed);
  });
}

TEST_CASE("gated_fusion is local * resize(gate) + resize(globl)", "[kernels][resize]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 4000;
    for (Size s : k_sizes)
      for (const std::size_t c : {1, 3, 7, 8, 9, 12, 16, 17, 20, 28, 40, 128}) {
        s.c = c;
        for (const bool in_place : {false, true}) check_fusion(table, s, 0, s.out_h, in_place, ++seed);
      }
    for (std::size_t begin = 0; begin < 9; ++begin)
      for (std::size_t end = begin; end <= 9; ++end) check_fusion(table, {2, 3, 9, 4, 5}, begin, end, true, ++seed);
  });
}

TEST_CASE("resize and gated_fusion give the same bits however the rows are split", "[kernels][resize]") {
  for_each_table([](const KernelTable& table) {
    const Size s = {3, 4, 23, 9, 13};
    Random random(5000);
    Floats x(s.h * s.w * s.c), gate(x.size()), local(s.out_h * s.out_w * s.c), whole(local.size()), parts(local.size());
    for (Floats* values : {&x, &gate, &local}) fill_random(*values, random);
    const auto taps_y = reference::resize_taps(s.h, s.out_h), taps_x = reference::resize_taps(s.w, s.out_w);
    const auto resize = [&](Floats& y, std::size_t begin, std::size_t end) {
      table.resize({s.w, s.c, s.out_w, begin, end, taps_y.data(), taps_x.data(), x.data(), y.data(), false});
    };
    const auto fusion = [&](Floats& y, std::size_t begin, std::size_t end) {
      table.gated_fusion(
          {s.w, s.c, s.out_w, begin, end, taps_y.data(), taps_x.data(), local.data(), gate.data(), x.data(), y.data()});
    };
    for (const std::size_t step : {1, 2, 3, 5, 7, 11}) {
      INFO(table.isa << ", rows " << step << " at a time");
      resize(whole, 0, s.out_h);
      for (std::size_t y = 0; y < s.out_h; y += step) resize(parts, y, std::min(y + step, s.out_h));
      CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
      fusion(whole, 0, s.out_h);
      for (std::size_t y = 0; y < s.out_h; y += step) fusion(parts, y, std::min(y + step, s.out_h));
      CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
    }
  });
}

}  // namespace lemore::test
