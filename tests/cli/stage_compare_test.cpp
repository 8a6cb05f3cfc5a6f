#include "stage_compare.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "options.h"

using namespace lemore;
using namespace lemore::cli;

TEST_CASE("a comparison finds every planted error", "[compare]") {
  // 2 channels of 3 pixels: the reference is channels first, what we got channels last.
  const std::vector<float> reference = {1, 2, 3, -4, 5, -6}, same = {1, -4, 2, 5, 3, -6};
  const auto compare = [&](const std::vector<float>& got) { return compare_stage(got.data(), reference.data(), 2, 3); };
  CHECK(compare(same).max_abs == 0);
  CHECK(compare(same).cosine == Approx(1).epsilon(1e-12));
  for (std::size_t i = 0; i < same.size(); ++i) {
    std::vector<float> got = same;
    got[i] += 0.5f;
    CHECK(compare(got).max_abs == 0.5);
    CHECK(compare(got).relative == Approx(0.5 / 6));
    CHECK(compare(got).cosine < 1);
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      got[i] = bad;
      CHECK(std::isinf(compare(got).relative));
    }
  }
  std::vector<float> swapped = same;
  std::swap(swapped[0], swapped[1]);
  CHECK(compare(swapped).max_abs == 5);
  const std::vector<float> zero(6, 0.0f);
  CHECK(compare_stage(same.data(), zero.data(), 2, 3).relative == 6);
  CHECK(compare_stage(zero.data(), zero.data(), 2, 3).cosine == 1);
}

TEST_CASE("reference labels: half-pixel bilinear, ties to the lower class", "[compare]") {
  const std::vector<float> logits = {0, 1, 1, 0};  // 2 classes, 1 x 2
  CHECK(reference_labels(logits.data(), 2, {1, 2}, {1, 2}) == std::vector<std::uint8_t>{1, 0});
  // At 4: sources -0.25 -> 0, 0.25, 0.75, 1.25 -> 1.
  CHECK(reference_labels(logits.data(), 2, {1, 2}, {2, 4}) == std::vector<std::uint8_t>{1, 1, 0, 0, 1, 1, 0, 0});
  // At 1 the source is 0.5: both classes 0.5.
  CHECK(reference_labels(logits.data(), 2, {1, 2}, {1, 1}) == std::vector<std::uint8_t>{0});
}

TEST_CASE("sizes on the command line", "[options]") {
  CHECK(*parse_size("--size", "512x1024") == Size{512, 1024});
  CHECK(*parse_size("--size", "64") == Size{64, 64});
  for (const char* bad : {"", "x", "0x5", "5x", "-1x4", "5x5x5", "a", "5 x5", "99999999999x4"}) {
    INFO(bad);
    CHECK_FALSE(parse_size("--size", bad).ok());
  }
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1234567) == "1,234,567");
}
