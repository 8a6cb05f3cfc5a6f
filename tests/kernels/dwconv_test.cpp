#include "kernels/ops/dwconv.h"

#include "reference/conv.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::DepthwiseConv;

struct Kernel {
  std::size_t kh, kw, stride, dilation;
};

/// A convolution with its operands; the output starts as NaN.
struct Problem {
  Floats x, weight, bias, y;
  DepthwiseConv args;
  std::size_t out_h, out_w;

  Problem(std::size_t h, std::size_t w, std::size_t c, const Kernel& k, std::uint64_t seed)
      : x(h * w * c),
        weight(k.kh * k.kw * c),
        bias(c),
        y((h + k.stride - 1) / k.stride * ((w + k.stride - 1) / k.stride) * c, k_nan) {
    out_h = (h + k.stride - 1) / k.stride;
    out_w = (w + k.stride - 1) / k.stride;
    Random random(seed);
    fill_random(x, random);
    fill_random(weight, random);
    fill_random(bias, random, -2, 4);
    args.h = h;
    args.w = w;
    args.c = c;
    args.kh = k.kh;
    args.kw = k.kw;
    args.stride = k.stride;
    args.dilation = k.dilation;
    args.pad_top = k.dilation * (k.kh - 1) / 2;
    args.pad_left = k.dilation * (k.kw - 1) / 2;
    args.out_w = out_w;
    args.row_end = out_h;
    args.x = x.data();
    args.x_rows = h;
    args.weight = weight.data();
    args.bias = random.flip() ? bias.data() : nullptr;
    args.activation = static_cast<Activation>(random.below(6));
    args.y = y.data();
  }
};

std::string run_and_compare(const kernels::KernelTable& table, std::size_t h, std::size_t w, std::size_t c,
                            const Kernel& k, std::uint64_t seed) {
  Problem problem(h, w, c, k, seed);
  table.dwconv(problem.args);
  std::ostringstream what;
  what << "dwconv " << h << "x" << w << "x" << c << " kernel " << k.kh << "x" << k.kw << " stride " << k.stride
       << " dilation " << k.dilation << " activation " << static_cast<int>(problem.args.activation);
  Comparison comparison(table, what.str(), seed);
  for (std::size_t row = 0; row < problem.out_h; ++row) {
    for (std::size_t column = 0; column < problem.out_w; ++column) {
      for (std::size_t i = 0; i < c; ++i) {
        const reference::Bounded expected = reference::dwconv(problem.args, row, column, i);
        comparison.element({row, column, i}, expected.value, problem.y[(row * problem.out_w + column) * c + i],
                           expected.tolerance);
      }
    }
  }
  comparison.require(problem.y.front_intact(), "wrote before y");
  return comparison.report();
}

}  // namespace

TEST_CASE("depthwise convolution agrees with its formula", "[kernels][dwconv]") {
  for_each_table([](const kernels::KernelTable& table) {
    const std::size_t l = table.lanes;
    std::uint64_t seed = 1;
    for (const Kernel k : {Kernel{3, 3, 1, 1},
                           {3, 3, 2, 1},
                           {5, 5, 1, 1},
                           {5, 5, 2, 1},
                           {3, 1, 1, 1},
                           {1, 3, 1, 1},
                           {3, 1, 1, 2},
                           {1, 3, 1, 2},
                           {1, 1, 1, 1},
                           {7, 7, 1, 1},
                           {3, 3, 1, 3},
                           {7, 3, 3, 2}}) {
      for (const std::size_t c : {std::size_t{1}, l - 1, l, l + 1, 2 * l + 1, std::size_t{8}, std::size_t{12}}) {
        for (const std::size_t h : {1, 2, 5}) {
          for (const std::size_t w : {1, 2, 3, 4, 9, 23}) {
            const std::string report = run_and_compare(table, h, w, c, k, ++seed);
            if (!report.empty()) CHECK(report == "");
          }
        }
      }
    }
    CHECK(seed > 1);
  });
}

TEST_CASE("depthwise convolution of wide images works in blocks", "[kernels][dwconv]") {
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 50;
    for (const Kernel k : {Kernel{3, 3, 1, 1}, {3, 3, 2, 1}, {5, 5, 1, 1}, {1, 3, 1, 2}}) {
      CHECK(run_and_compare(table, 6, 150, 96, k, ++seed) == "");
      CHECK(run_and_compare(table, 4, 1100, 3, k, ++seed) == "");
      // Pixels that fall into the same cache sets have a way of their own.
      for (const std::size_t w : {3, 4, 9, 13}) CHECK(run_and_compare(table, 3, w, 512, k, ++seed) == "");
    }
  });
}

TEST_CASE("rows of a depthwise convolution can be split anywhere", "[kernels][dwconv]") {
  for_each_table([](const kernels::KernelTable& table) {
    for (const Kernel k : {Kernel{3, 3, 2, 1}, {5, 5, 1, 1}, {3, 1, 1, 2}}) {
      Problem whole(13, 21, 19, k, 3), parts(13, 21, 19, k, 3);
      table.dwconv(whole.args);
      for (std::size_t row = 0; row < parts.out_h; row += 2) {
        parts.args.row_begin = row;
        parts.args.row_end = std::min(row + 2, parts.out_h);
        parts.args.y = parts.y.data() + row * parts.out_w * 19;
        table.dwconv(parts.args);
      }
      CHECK(std::memcmp(whole.y.data(), parts.y.data(), whole.y.size() * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("a depthwise convolution reads its rows from a ring, and part of its columns", "[kernels][dwconv]") {
  constexpr std::size_t h = 13, w = 37, c = 19;
  for_each_table([](const kernels::KernelTable& table) {
    for (const Kernel k : {Kernel{3, 3, 2, 1}, {3, 3, 1, 1}, {5, 5, 1, 1}, {5, 5, 2, 1}, {3, 3, 1, 2}}) {
      Problem whole(h, w, c, k, 7);
      table.dwconv(whole.args);
      // Output columns 5..12: their inputs are `columns` columns from `left`, in a ring just long enough for one row.
      const std::size_t first = 5, outputs = 7, pad = k.dilation * (k.kw - 1) / 2, reach = (k.kh - 1) * k.dilation;
      const std::size_t left = first * k.stride - pad, columns = (outputs - 1) * k.stride + reach + 1;
      Floats ring((reach + 1) * columns * c, k_nan), y(outputs * c, k_nan);
      for (std::size_t row = 0; row < whole.out_h; ++row) {
        for (std::size_t r = 0; r <= reach; ++r) {
          const std::ptrdiff_t in = static_cast<std::ptrdiff_t>(row * k.stride + r) - static_cast<std::ptrdiff_t>(pad);
          if (in < 0 || in >= static_cast<std::ptrdiff_t>(h)) continue;
          const auto at = static_cast<std::size_t>(in);
          std::memcpy(ring.data() + at % (reach + 1) * columns * c, whole.x.data() + (at * w + left) * c,
                      columns * c * sizeof(float));
        }
        DepthwiseConv part = whole.args;
        part.w = columns;
        part.pad_left = 0;
        part.out_w = outputs;
        part.row_begin = row;
        part.row_end = row + 1;
        part.x = ring.data();
        part.x_rows = reach + 1;
        part.y = y.data();
        table.dwconv(part);
        CHECK(std::memcmp(whole.y.data() + (row * whole.out_w + first) * c, y.data(), outputs * c * sizeof(float)) ==
              0);
      }
    }
  });
}

TEST_CASE("NaN passes through a depthwise convolution and its relu6", "[kernels][dwconv]") {
  for_each_table([](const kernels::KernelTable& table) {
    Problem problem(5, 11, 9, {3, 3, 1, 1}, 4);
    problem.args.activation = Activation::relu6;
    problem.x[(2 * 11 + 5) * 9 + 8] = k_nan;
    table.dwconv(problem.args);
    for (std::size_t i = 0; i < problem.y.size(); ++i) {
      const std::size_t row = i / 99, column = i / 9 % 11;
      const bool near = i % 9 == 8 && row >= 1 && row <= 3 && column >= 4 && column <= 6;
      REQUIRE(std::isnan(problem.y[i]) == near);
    }
  });
}

}  // namespace lemore::test
