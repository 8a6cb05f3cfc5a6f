#include "kernels/ops/conv.h"

#include "reference/conv.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::Conv;

struct Kernel {
  std::size_t kh, kw, stride, pad_top, pad_left;
};

constexpr std::size_t outputs(std::size_t n, std::size_t k, std::size_t stride, std::size_t pad) {
  return n + 2 * pad < k ? 0 : (n + 2 * pad - k) / stride + 1;
}

/// A convolution with its operands. What a kernel may not use is NaN: between the rows of x, behind the pixels of y.
struct Problem {
  Floats x, weight, bias, y, scratch;
  Conv args;
  std::size_t out_h;

  Problem(std::size_t h, std::size_t w, std::size_t c, std::size_t out_c, const Kernel& k, std::size_t gap,
          std::uint64_t seed)
      : x(matrix_size(h, w * c, w * c + gap), k_nan),
        weight((out_c + 15) / 16 * 16 * k.kh * k.kw * c, 0.0f),
        bias(out_c),
        y(matrix_size(outputs(h, k.kh, k.stride, k.pad_top) * outputs(w, k.kw, k.stride, k.pad_left), out_c,
                      out_c + gap),
          k_nan),
        scratch(kernels::conv_scratch(k.kh, k.kw, c), k_nan),
        out_h(outputs(h, k.kh, k.stride, k.pad_top)) {
    Random random(seed);
    const std::size_t depth = k.kh * k.kw * c;
    fill_matrix(x, h, w * c, w * c + gap, random, -2.0f, 2.0f);
    for (std::size_t j = 0; j < out_c; ++j)
      for (std::size_t r = 0; r < depth; ++r) weight[(j / 16 * depth + r) * 16 + j % 16] = random.uniform(-1, 1);
    fill_random(bias, random, -2, 4);
    args.h = h;
    args.w = w;
    args.c = c;
    args.kh = k.kh;
    args.kw = k.kw;
    args.stride = k.stride;
    args.pad_top = k.pad_top;
    args.pad_left = k.pad_left;
    args.out_w = outputs(w, k.kw, k.stride, k.pad_left);
    args.out_c = out_c;
    args.row_end = out_h;
    args.x = x.data();
    args.x_stride = w * c + gap;
    args.weight = weight.data();
    args.bias = random.flip() ? bias.data() : nullptr;
    args.activation = static_cast<Activation>(random.below(5));
    args.y = y.data();
    args.y_stride = out_c + gap;
    args.scratch = scratch.data();
  }
};

std::string run_and_compare(const kernels::KernelTable& table, std::size_t h, std::size_t w, std::size_t c,
                            std::size_t out_c, const Kernel& k, std::size_t gap, std::uint64_t seed) {
  Problem problem(h, w, c, out_c, k, gap, seed);
  table.conv(problem.args);
  std::ostringstream what;
  what << "conv " << h << "x" << w << "x" << c << " to " << out_c << " kernel " << k.kh << "x" << k.kw << " stride "
       << k.stride << " pad " << k.pad_top << "," << k.pad_left << " gap " << gap << " activation "
       << static_cast<int>(problem.args.activation);
  Comparison comparison(table, what.str(), seed);
  for (std::size_t row = 0; row < problem.out_h; ++row) {
    for (std::size_t column = 0; column < problem.args.out_w; ++column) {
      const std::size_t at = (row * problem.args.out_w + column) * problem.args.y_stride;
      for (std::size_t j = 0; j < out_c; ++j) {
        const reference::Bounded expected = reference::conv(problem.args, row, column, j);
        comparison.element({row, column, j}, expected.value, problem.y[at + j], expected.tolerance);
      }
      for (std::size_t j = at + out_c; j < at + problem.args.y_stride && j < problem.y.size(); ++j)
        comparison.require(std::isnan(problem.y[j]), "wrote between the pixels of y");
    }
  }
  comparison.require(problem.y.front_intact() && problem.scratch.front_intact(), "wrote outside y or scratch");
  return comparison.report();
}

}  // namespace

TEST_CASE("convolution agrees with its formula", "[kernels][conv]") {
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 1;
    for (const Kernel k : {Kernel{7, 7, 4, 3, 3},
                           {3, 3, 2, 1, 1},
                           {3, 3, 1, 1, 1},
                           {1, 1, 1, 0, 0},
                           {2, 2, 2, 0, 0},
                           {4, 4, 4, 0, 0},
                           {8, 8, 8, 0, 0},
                           {1, 1, 2, 0, 0},
                           {3, 1, 1, 2, 0},
                           {1, 5, 3, 0, 4},
                           {2, 4, 1, 1, 3}}) {
      for (const std::size_t c : {1, 3, 5, 8, 17})
        for (const std::size_t out_c : {1, 8, 16, 19})
          for (const std::size_t side : {1, 3, 9}) {
            const std::string report =
                run_and_compare(table, side, side + 2, c, out_c, k, static_cast<std::size_t>(seed % 3), seed);
            ++seed;
            if (!report.empty()) CHECK(report == "");
          }
    }
    CHECK(seed > 1);
  });
}

TEST_CASE("convolution of wide maps, copied and not", "[kernels][conv]") {
  for_each_table([](const kernels::KernelTable& table) {
    std::uint64_t seed = 1000;
    for (const std::size_t w : {189, 192, 195, 201, 206, 231, 255, 256, 257}) {
      CHECK(run_and_compare(table, 9, w, 3, w % 2 == 0 ? 32 : 17, {7, 7, 4, 3, 3}, 0, ++seed) == "");
      CHECK(run_and_compare(table, 5, w / 2, 4, 17, {3, 3, 2, 1, 1}, 2, ++seed) == "");
      CHECK(run_and_compare(table, 3, w / 4, 9, 5, {3, 3, 1, 1, 1}, 1, ++seed) == "");
      CHECK(run_and_compare(table, 4, w, 5, 20, {2, 2, 2, 0, 0}, 0, ++seed) == "");
      CHECK(run_and_compare(table, 2, w, 7, 16, {1, 1, 1, 0, 0}, 0, ++seed) == "");
    }
    CHECK(run_and_compare(table, 7, 13, 160, 33, {3, 3, 2, 1, 1}, 0, ++seed) == "");
    CHECK(run_and_compare(table, 16, 24, 64, 64, {4, 4, 4, 0, 0}, 0, ++seed) == "");
  });
}

TEST_CASE("rows of a convolution can be split anywhere", "[kernels][conv]") {
  for_each_table([](const kernels::KernelTable& table) {
    for (const Kernel k : {Kernel{7, 7, 4, 3, 3}, {3, 3, 2, 1, 1}, {2, 2, 2, 0, 0}}) {
      for (const std::size_t w : {21, 260}) {
        Problem whole(23, w, 3, 19, k, 1, 3), parts(23, w, 3, 19, k, 1, 3);
        table.conv(whole.args);
        for (std::size_t row = 0; row < parts.out_h; row += 2) {
          parts.args.row_begin = row;
          parts.args.row_end = std::min(row + 2, parts.out_h);
          parts.args.y = parts.y.data() + row * parts.args.out_w * parts.args.y_stride;
          table.conv(parts.args);
        }
        CHECK(std::memcmp(whole.y.data(), parts.y.data(), whole.y.size() * sizeof(float)) == 0);
        // The left part of the columns, as a narrower map would have it: other ways of the kernel, the same bits.
        Floats narrow(whole.out_h * 5 * 19, k_nan);
        Conv left = whole.args;
        left.out_w = 5;
        left.y = narrow.data();
        left.y_stride = 19;
        table.conv(left);
        bool same = true;
        for (std::size_t at = 0; at < whole.out_h * 5; ++at)
          same = same &&
                 std::memcmp(&narrow[at * 19], &whole.y[(at / 5 * whole.args.out_w + at % 5) * whole.args.y_stride],
                             19 * sizeof(float)) == 0;
        CHECK(same);
      }
    }
  });
}

TEST_CASE("NaN passes through a convolution", "[kernels][conv]") {
  for_each_table([](const kernels::KernelTable& table) {
    Problem problem(5, 11, 3, 9, {3, 3, 1, 1, 1}, 0, 4);
    problem.args.activation = Activation::relu6;
    problem.x[(2 * 11 + 5) * 3 + 2] = k_nan;
    table.conv(problem.args);
    for (std::size_t i = 0; i < problem.y.size(); ++i) {
      const std::size_t row = i / 99, column = i / 9 % 11;
      const bool near = row >= 1 && row <= 3 && column >= 4 && column <= 6;
      REQUIRE(std::isnan(problem.y[i]) == near);
    }
  });
}

}  // namespace lemore::test
