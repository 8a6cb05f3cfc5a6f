#include "kernels/ops/gate.h"

#include "kernels/simd/tolerance.h"
#include "reference/gate.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::Activation;
using kernels::Gate;
using kernels::KernelTable;
using kernels::ScaleBias;

enum class Output { own, is_x, is_skip };

struct GateCase {
  std::size_t rows, w, c;
  bool has_h, one_h, has_w, has_skip;  // one_h: one a_h for every row
  Output output;
};

std::string name_of(const GateCase& k) {
  std::ostringstream text;
  text << "gate rows " << k.rows << " w " << k.w << " c " << k.c << (k.has_h ? " a_h" : "")
       << (k.has_h && k.one_h ? " (one)" : "") << (k.has_w ? " a_w" : "") << (k.has_skip ? " skip" : "")
       << (k.output == Output::own    ? ""
           : k.output == Output::is_x ? " y is x"
                                      : " y is skip");
  return text.str();
}

void check_gate(const KernelTable& table, const GateCase& k, std::uint64_t seed) {
  Random random(seed);
  const std::size_t size = k.rows * k.w * k.c;
  Floats x(size), a_h(k.one_h ? k.c : k.rows * k.c), a_w(k.w * k.c), skip(size), own(size, k_nan);
  for (Floats* values : {&x, &a_h, &a_w, &skip}) fill_random(*values, random, -2.0f, 2.0f);
  Gate a;
  a.rows = k.rows;
  a.w = k.w;
  a.c = k.c;
  a.x = x.data();
  if (k.has_h) a.a_h = a_h.data();
  a.a_h_stride = k.one_h ? 0 : k.c;
  if (k.has_w) a.a_w = a_w.data();
  if (k.has_skip) a.skip = skip.data();
  Floats& y = k.output == Output::own ? own : k.output == Output::is_x ? x : skip;
  a.y = y.data();

  std::vector<reference::Gated> expected;  // before the kernel, which may overwrite its input
  for (std::size_t r = 0; r < k.rows; ++r)
    for (std::size_t q = 0; q < k.w; ++q)
      for (std::size_t i = 0; i < k.c; ++i) expected.push_back(reference::gate(a, r, q, i));
  table.gate(a);

  Comparison comparison(table, name_of(k), seed);
  for (std::size_t at = 0; at < size; ++at)
    comparison.element({at / k.c / k.w, at / k.c % k.w, at % k.c}, expected[at].value, static_cast<double>(y[at]),
                       static_cast<double>(kernels::gate_tol) * k_eps * expected[at].magnitude);
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

void check_scale_bias(const KernelTable& table, std::size_t pixels, std::size_t c, Activation activation, bool in_place,
                      std::uint64_t seed) {
  Random random(seed);
  Floats x(pixels * c), scale(c), bias(c), own(pixels * c, k_nan);
  fill_random(x, random, -8.0f, 8.0f);
  fill_random(scale, random, -2.0f, 2.0f);
  fill_random(bias, random, -2.0f, 2.0f);
  const std::size_t spoilt = random.below(pixels * c);  // NaN stays NaN, and stays where it is
  x[spoilt] = k_nan;
  const std::vector<float> input(x.begin(), x.end());
  Floats& y = in_place ? x : own;
  table.scale_bias({pixels, c, x.data(), scale.data(), bias.data(), activation, y.data()});

  Comparison comparison(table,
                        "scale_bias pixels " + std::to_string(pixels) + " c " + std::to_string(c) + " activation " +
                            std::to_string(static_cast<int>(activation)) + (in_place ? " in place" : ""),
                        seed);
  for (std::size_t at = 0; at < input.size(); ++at) {
    const double product = static_cast<double>(input[at]) * static_cast<double>(scale[at % c]);
    const double bias_at = static_cast<double>(bias[at % c]);
    const double expected = at == spoilt ? std::nan("") : reference::activate(product + bias_at, activation);
    // Two roundings of the sum; hardswish (slope at most 1.5), gelu (1.13) and sigmoid (1/4) add their own.
    const double sum = std::fabs(product) + std::fabs(bias_at);
    const double tolerance =
        activation == Activation::sigmoid
            ? k_eps * (sum + 2 * static_cast<double>(kernels::sigmoid_tol_ulp) * std::fabs(expected))
        : activation == Activation::gelu      ? (3 + static_cast<double>(kernels::gelu_tol)) * k_eps * sum
        : activation == Activation::hardswish ? 8 * k_eps * (sum + 3.0)
                                              : 2 * k_eps * sum;
    comparison.element({at / c, at % c}, expected, static_cast<double>(y[at]), tolerance);
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("gate multiplies by what is there and adds the skip", "[kernels][gate]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 1000;
    const std::size_t lanes = table.lanes;
    for (const auto output : {Output::own, Output::is_x, Output::is_skip})
      for (int given = 0; given < 16; ++given)
        for (const std::size_t c : {std::size_t{1}, std::size_t{3}, lanes - 1, lanes, lanes + 1, 2 * lanes + 1})
          for (const std::size_t w : {1, 5}) {
            const bool has_h = given & 1, one_h = given & 2, has_w = given & 4, has_skip = given & 8;
            if ((!has_skip && output == Output::is_skip) || (!has_h && one_h)) continue;
            check_gate(table, {3, w, c, has_h, one_h, has_w, has_skip, output}, ++seed);
          }
    for (const std::size_t c : {7, 8, 9, 12, 16, 17, 20, 28, 40, 80, 96, 150})
      check_gate(table, {2, 7, c, true, false, true, true, Output::is_x}, ++seed);
  });
}

TEST_CASE("scale_bias scales, shifts and activates", "[kernels][gate]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 2000;
    for (const auto activation : {Activation::none, Activation::relu, Activation::relu6, Activation::hardswish,
                                  Activation::sigmoid, Activation::gelu})
      for (const std::size_t c : {1, 3, 7, 8, 9, 12, 16, 17, 20, 28, 40, 150})
        for (const bool in_place : {false, true}) check_scale_bias(table, 5, c, activation, in_place, ++seed);
  });
}

}  // namespace lemore::test
