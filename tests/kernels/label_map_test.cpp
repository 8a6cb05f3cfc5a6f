#include "kernels/ops/label_map.h"

#include "kernels/simd/tolerance.h"
#include "reference/label_map.h"
#include "reference/resize.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using kernels::LabelMap;

enum class Logits {
  random,
  smooth,      ///< few winners, as a trained network has
  few_values,  ///< ties everywhere
  last_bits,   ///< classes that differ in the last bits, where rounding decides
  large,       ///< from -3e38 to 3e38, sums overflow
  tiny,        ///< denormals that differ by a unit
  non_finite,  ///< some NaN and infinities
  mostly_nan,  ///< hardly a number
  count
};

float logit(Logits kind, Random& random, std::size_t row, std::size_t column, std::size_t i) {
  const float x = random.uniform(-1.0f, 1.0f);
  switch (kind) {
    case Logits::random:
      return x;
    case Logits::smooth:
      return std::sin(0.7f * static_cast<float>(row) + static_cast<float>(i)) +
             std::cos(0.9f * static_cast<float>(column) + static_cast<float>(i * i % 17)) + 0.05f * x;
    case Logits::few_values:
      return std::floor(2.0f * x);
    case Logits::last_bits:
      return 1.0f + static_cast<float>(random.below(4)) * 0x1p-23f - (i % 3 == 0 ? 0.5f : 0.0f);
    case Logits::large:
      return 3e38f * x;
    case Logits::tiny:
      return static_cast<float>(random.below(6)) * 0x1p-149f;
    case Logits::non_finite: {
      const std::size_t pick = random.below(60);
      return pick == 0 ? k_nan : pick == 1 ? k_infinity : pick < 5 ? -k_infinity : x;
    }
    case Logits::mostly_nan:
      return random.below(4) > 0 ? k_nan : random.below(3) > 0 ? -k_infinity : x;
    case Logits::count:
      break;
  }
  return k_nan;
}

struct Size {
  std::size_t h, w, out_h, out_w;
};

// Rows begin..end of one label map against both oracles. Labels outside stay as they were.
void check_labels(const KernelTable& table, const Size& s, std::size_t classes, Logits kind, std::size_t begin,
                  std::size_t end, std::uint64_t seed) {
  Random random(seed);
  Floats logits(s.h * s.w * classes);
  double largest = 0;
  for (std::size_t at = 0; at < logits.size(); ++at) {
    logits[at] = logit(kind, random, at / classes / s.w, at / classes % s.w, at % classes);
    largest = std::max(largest, std::fabs(static_cast<double>(logits[at])));
  }
  const auto taps_y = reference::resize_taps(s.h, s.out_h), taps_x = reference::resize_taps(s.w, s.out_w);
  constexpr std::uint8_t k_untouched = 0xee;
  constexpr std::size_t k_padding = 3;
  LabelMap a;
  a.w = s.w;
  a.classes = classes;
  a.out_w = s.out_w;
  a.row_begin = begin;
  a.row_end = end;
  a.taps_y = taps_y.data();
  a.taps_x = taps_x.data();
  a.logits = logits.data();
  a.label_stride = s.out_w + k_padding;
  // Row `end` has no padding behind it; a step beyond is a crash.
  Guarded<std::uint8_t> labels(begin == end ? 1 : matrix_size(end, s.out_w, a.label_stride), k_untouched);
  a.labels = labels.data();
  table.label_map(a);

  std::ostringstream what;
  what << "label_map [" << s.h << ", " << s.w << "] -> [" << s.out_h << ", " << s.out_w << "] classes " << classes
       << " kind " << static_cast<int>(kind) << " rows " << begin << ".." << end;
  Comparison comparison(table, what.str(), seed);
  // Of both values: four roundings each, and six results that may underflow.
  const double margin = 10 * k_eps * largest + 12 * 0x1p-149;
  const bool finite = kind != Logits::non_finite && kind != Logits::mostly_nan && kind != Logits::large;
  for (std::size_t at = 0; at < labels.size(); ++at) {
    const std::size_t y = at / a.label_stride, x = at % a.label_stride;
    if (y < begin || y >= end || x >= s.out_w) {
      comparison.element({y, x}, k_untouched, labels[at], 0.0);
      continue;
    }
    if (kind == Logits::tiny && !keeps_denormals(table)) {  // all logits are as good as 0
      comparison.require(labels[at] < classes, "no class");
      continue;
    }
    comparison.element({y, x}, static_cast<double>(reference::label_at_float(a, y, x).label), labels[at], 0.0);
    if (!finite) continue;
    const auto exact = reference::label_at_double(a, y, x);
    if (exact.lead > margin) comparison.element({y, x}, static_cast<double>(exact.label), labels[at], 0.0);
  }
  comparison.require(labels.front_intact(), "wrote outside labels");
  check(comparison);
}

constexpr Size k_sizes[] = {{1, 1, 1, 1}, {1, 1, 5, 9},  {3, 2, 1, 1},   {4, 5, 4, 5},  {3, 4, 24, 32}, {3, 4, 25, 31},
                            {7, 9, 3, 4}, {9, 3, 2, 30}, {2, 11, 33, 3}, {5, 6, 9, 11}, {2, 2, 50, 61}};

void fill_kind(Logits kind, Floats& logits, std::size_t w, std::size_t classes, Random& random) {
  for (std::size_t at = 0; at < logits.size(); ++at)
    logits[at] = logit(kind, random, at / classes / w, at / classes % w, at % classes);
}

}  // namespace

TEST_CASE("label_map equals the exhaustive argmax", "[kernels][label_map]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 6000;
    for (const Size& s : k_sizes)
      for (const std::size_t classes : {1, 3, 7, 8, 9, 12, 16, 17, 20, 28, 40})
        for (int kind = 0; kind < static_cast<int>(Logits::count); ++kind)
          check_labels(table, s, classes, static_cast<Logits>(kind), 0, s.out_h, ++seed);
    for (const std::size_t classes : {150, 255, 256})
      for (int kind = 0; kind < static_cast<int>(Logits::count); ++kind)
        check_labels(table, {3, 4, 24, 33}, classes, static_cast<Logits>(kind), 0, 24, ++seed);
  });
}

TEST_CASE("label_map of some rows, also from the middle of a cell", "[kernels][label_map]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 7000;
    for (std::size_t begin = 0; begin <= 17; ++begin)
      for (std::size_t end = begin; end <= 17; ++end)
        for (const auto kind : {Logits::random, Logits::smooth, Logits::non_finite})
          check_labels(table, {2, 3, 17, 10}, 12, kind, begin, end, ++seed);
  });
}

TEST_CASE("NaN never wins, infinities are numbers, ties go to the lower class", "[kernels][label_map]") {
  for_each_table([](const KernelTable& table) {
    const auto label_of = [&](const std::vector<float>& logits) {
      Floats x(logits.size());
      std::copy(logits.begin(), logits.end(), x.begin());
      std::uint8_t direct = 99;
      table.argmax({1, logits.size(), x.data(), &direct, nullptr});
      // A cell of 6 x 6 pixels: all of them are the one position there is.
      const auto taps = reference::resize_taps(1, 6);
      Guarded<std::uint8_t> map(36, 99);
      table.label_map({1, logits.size(), 6, 0, 6, taps.data(), taps.data(), x.data(), map.data(), 6});
      for (const std::uint8_t label : map) CHECK(int{label} == int{direct});
      return int{direct};
    };
    INFO(table.isa);
    CHECK(label_of({0.0f, 0.0f, 0.0f}) == 0);
    CHECK(label_of({-0.0f, 0.0f}) == 0);
    CHECK(label_of({1.0f, 2.0f, 2.0f}) == 1);
    CHECK(label_of({k_nan, 2.0f, 2.0f}) == 1);
    CHECK(label_of({k_nan, k_nan, k_nan}) == 0);
    std::vector<float> many(40, 1.0f);
    many[17] = many[33] = 2.0f;
    CHECK(label_of(many) == 17);
    many.assign(150, k_nan);
    CHECK(label_of(many) == 0);
    many[149] = 1.0f;
    CHECK(label_of(many) == 149);
  });
  // Only the direct argmax, where a resize of one position does not compute 0 * infinity.
  for_each_table([](const KernelTable& table) {
    const auto label_of = [&](const std::vector<float>& x) {
      std::uint8_t label = 99;
      table.argmax({1, x.size(), x.data(), &label, nullptr});
      return int{label};
    };
    INFO(table.isa);
    CHECK(label_of({k_nan, -k_infinity}) == 1);
    CHECK(label_of({-k_infinity, -k_infinity}) == 0);
    CHECK(label_of({k_nan, -k_infinity, -1e38f}) == 2);
    CHECK(label_of({1.0f, k_infinity, k_infinity}) == 1);
    std::vector<float> many(40, -k_infinity);
    many[0] = many[7] = k_nan;
    CHECK(label_of(many) == 1);
  });
}

TEST_CASE("argmax and its confidence", "[kernels][label_map]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 8000;
    for (const std::size_t classes : {1, 2, 3, 7, 8, 9, 11, 12, 16, 17, 20, 28, 40, 150, 256})
      for (const float range : {0.01f, 1.0f, 30.0f, 3000.0f}) {
        Random random(++seed);
        constexpr std::size_t k_pixels = 9;
        Floats x(k_pixels * classes), confidence(k_pixels, k_nan);
        fill_random(x, random, -range, range);
        Guarded<std::uint8_t> labels(k_pixels, 0xee), alone(k_pixels, 0xee);
        table.argmax({k_pixels, classes, x.data(), labels.data(), confidence.data()});
        table.argmax({k_pixels, classes, x.data(), alone.data(), nullptr});
        Comparison comparison(table, "argmax classes " + std::to_string(classes) + " range " + std::to_string(range),
                              seed);
        for (std::size_t p = 0; p < k_pixels; ++p) {
          const float* pixel = x.data() + p * classes;
          const auto label = reference::classify(classes, [&](std::size_t i) -> double { return pixel[i]; }).label;
          comparison.element({p}, static_cast<double>(label), labels[p], 0.0);
          comparison.element({p}, static_cast<double>(label), alone[p], 0.0);
          // exp's own error and that of its rounded argument (at most 2 * range, but those far below vanish: e^-x x <=
          // 1/e), the sum, the division.
          const double expected = reference::confidence(pixel, classes, label);
          const double tolerance =
              (2.0 * static_cast<double>(kernels::exp_tol_ulp) + static_cast<double>(classes) + 4.0) * k_eps;
          comparison.element({p}, expected, static_cast<double>(confidence[p]), tolerance * expected);
        }
        comparison.require(labels.front_intact() && confidence.front_intact(), "wrote outside");
        check(comparison);
      }
    // What is not a number counts nothing.
    const float x[] = {k_nan, 1.0f, k_nan, k_nan, -k_infinity, k_infinity, k_infinity, 1.0f, k_nan, k_nan};
    std::uint8_t labels[5];
    float confidence[5];
    table.argmax({5, 2, x, labels, confidence});
    INFO(table.isa);
    const float expected[] = {1.0f, 0.0f, 1.0f, 1.0f, 0.0f};
    const int classes[] = {1, 0, 1, 0, 0};
    for (std::size_t p = 0; p < 5; ++p) {
      CHECK(int{labels[p]} == classes[p]);
      CHECK(confidence[p] == expected[p]);
    }
  });
}

TEST_CASE("label_map gives the same labels however the rows are split", "[kernels][label_map]") {
  for_each_table([](const KernelTable& table) {
    constexpr std::size_t h = 5, w = 4, out_h = 37, out_w = 29, classes = 21;
    Random random(9000);
    Floats logits(h * w * classes);
    fill_kind(Logits::few_values, logits, w, classes, random);
    const auto taps_y = reference::resize_taps(h, out_h), taps_x = reference::resize_taps(w, out_w);
    const auto labels_by = [&](std::size_t step) {
      std::vector<std::uint8_t> labels(out_h * out_w);
      for (std::size_t y = 0; y < out_h; y += step)
        table.label_map({w, classes, out_w, y, std::min(y + step, out_h), taps_y.data(), taps_x.data(), logits.data(),
                         labels.data(), out_w});
      return labels;
    };
    const auto whole = labels_by(out_h);
    INFO(table.isa);
    for (const std::size_t step : {1, 2, 3, 5, 8, 19}) CHECK(labels_by(step) == whole);
  });
}

TEST_CASE("the label oracles notice a wrong label", "[kernels][label_map]") {
  const float logits[] = {1.0f, 2.0f, 0.0f, k_nan, 5.0f, 5.0f};
  const kernels::ResizeTap tap{0, 0, 0.0f};
  std::uint8_t label = 0;
  LabelMap a{1, 3, 1, 0, 1, &tap, &tap, logits, &label, 1};
  CHECK(reference::label_at_float(a, 0, 0).label == 1);
  CHECK(reference::label_at_double(a, 0, 0).label == 1);
  CHECK(reference::label_at_double(a, 0, 0).lead == 1.0);
  a.logits = logits + 3;
  CHECK(reference::label_at_float(a, 0, 0).label == 1);
  CHECK(reference::label_at_double(a, 0, 0).lead == 0.0);
}

}  // namespace lemore::test
