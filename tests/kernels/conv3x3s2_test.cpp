#include "kernels/ops/conv3x3s2.h"

#include "reference/conv.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::Conv3x3s2;

/// An image of h x w with its border of zeros, weights in panels (NaN beyond out_c must not matter, but the contract
/// says zero).
struct Problem {
  Floats x, weight, bias, y;
  Conv3x3s2 args;
  std::size_t out_h;

  Problem(std::size_t h, std::size_t w, std::size_t out_c, std::size_t pad, std::uint64_t seed)
      : x(matrix_size(h + 2, (w + 2) * 3, (w + 2) * 3 + pad), k_nan),
        weight((out_c + 15) / 16 * 27 * 16, 0.0f),
        bias(out_c),
        y((h + 1) / 2 * ((w + 1) / 2) * out_c, k_nan),
        out_h((h + 1) / 2) {
    Random random(seed);
    args.x_stride = (w + 2) * 3 + pad;
    for (std::size_t row = 0; row < h + 2; ++row) {
      for (std::size_t i = 0; i < (w + 2) * 3; ++i) {
        const bool border = row == 0 || row == h + 1 || i < 3 || i >= (w + 1) * 3;
        x[row * args.x_stride + i] = border ? 0.0f : random.uniform(-2, 2);
      }
    }
    for (std::size_t channel = 0; channel < out_c; ++channel)
      for (std::size_t k = 0; k < 27; ++k) weight[(channel / 16 * 27 + k) * 16 + channel % 16] = random.uniform(-1, 1);
    fill_random(bias, random, -2, 4);
    args.x = x.data();
    args.out_w = (w + 1) / 2;
    args.out_c = out_c;
    args.row_end = out_h;
    args.weight = weight.data();
    args.bias = bias.data();
    args.activation = random.flip() ? Activation::relu6 : Activation::none;
    args.y = y.data();
  }
};

}  // namespace

TEST_CASE("conv3x3s2 agrees with its formula", "[kernels][conv3x3s2]") {
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 1;
    for (const std::size_t out_c : {1, 4, 8, 12, 16, 17, 20, 32, 33}) {
      for (const std::size_t h : {1, 2, 5}) {
        for (const std::size_t w : {1, 2, 3, 11, 12, 13, 14, 27, 64}) {
          Problem problem(h, w, out_c, w % 3, ++seed);
          table.conv3x3s2(problem.args);
          std::ostringstream what;
          what << "conv3x3s2 " << h << "x" << w << " to " << out_c << " channels";
          Comparison comparison(table, what.str(), seed);
          for (std::size_t row = 0; row < problem.out_h; ++row) {
            for (std::size_t column = 0; column < problem.args.out_w; ++column) {
              for (std::size_t i = 0; i < out_c; ++i) {
                const reference::Bounded expected = reference::conv3x3s2(problem.args, row, column, i);
                comparison.element({row, column, i}, expected.value,
                                   problem.y[(row * problem.args.out_w + column) * out_c + i], expected.tolerance);
              }
            }
          }
          comparison.require(problem.y.front_intact(), "wrote before y");
          if (!comparison.report().empty()) check(comparison);
        }
      }
    }
    CHECK(seed > 1);
  });
}

TEST_CASE("rows of conv3x3s2 can be split anywhere", "[kernels][conv3x3s2]") {
  for_each_table([](const kernels::KernelTable& table) {
    Problem whole(15, 33, 16, 0, 3), parts(15, 33, 16, 0, 3);
    table.conv3x3s2(whole.args);
    for (std::size_t row = 0; row < parts.out_h; row += 3) {
      parts.args.row_begin = row;
      parts.args.row_end = std::min(row + 3, parts.out_h);
      table.conv3x3s2(parts.args);
    }
    CHECK(std::memcmp(whole.y.data(), parts.y.data(), whole.y.size() * sizeof(float)) == 0);
  });
}

}  // namespace lemore::test
