#include <catch2/catch.hpp>
#include <random>

#include "core/resize_taps.h"
#include "lemore/tensor.h"
#include "plan/memory_plan.h"
#include "plan/plan.h"

using namespace lemore;

namespace {

// Bytes alive at the busiest step: no plan can need less.
std::uint64_t busiest(const std::vector<plan::LiveRange>& ranges, int steps) {
  std::uint64_t most = 0;
  for (int step = 0; step < steps; ++step) {
    std::uint64_t sum = 0;
    for (const auto& r : ranges)
      if (r.first <= step && step <= r.last) sum += (r.bytes + k_alignment - 1) / k_alignment * k_alignment;
    most = std::max(most, sum);
  }
  return most;
}

std::string overlap(const std::vector<plan::LiveRange>& ranges, const plan::MemoryPlan& plan) {
  for (std::size_t a = 0; a < ranges.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const bool together = ranges[a].first <= ranges[b].last && ranges[b].first <= ranges[a].last;
      const bool share =
          plan.offsets[a] < plan.offsets[b] + ranges[b].bytes && plan.offsets[b] < plan.offsets[a] + ranges[a].bytes;
      if (together && share) return "ranges " + std::to_string(a) + " and " + std::to_string(b) + " overlap";
    }
  return "";
}

}  // namespace

TEST_CASE("a memory plan never overlaps what lives together", "[plan]") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const int steps = 1 + static_cast<int>(random() % 30);
    std::vector<plan::LiveRange> ranges(1 + random() % 60);
    for (auto& r : ranges) {
      r.bytes = random() % 5 == 0 ? 0 : random() % 5000;
      r.first = static_cast<int>(random() % static_cast<unsigned>(steps));
      r.last = r.first + static_cast<int>(random() % static_cast<unsigned>(steps - r.first));
    }
    const auto plan = plan::plan_memory(ranges);
    REQUIRE(overlap(ranges, plan).empty());
    REQUIRE(plan.arena_bytes >= busiest(ranges, steps));
    REQUIRE(plan.arena_bytes <= 2 * busiest(ranges, steps));
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      REQUIRE(plan.offsets[i] % k_alignment == 0);
      REQUIRE(plan.offsets[i] + ranges[i].bytes <= plan.arena_bytes);
    }
  }
}

TEST_CASE("the overlap check can fail", "[plan]") {
  const std::vector<plan::LiveRange> ranges{{100, 0, 2}, {100, 2, 3}};
  plan::MemoryPlan wrong = plan::plan_memory(ranges);
  wrong.offsets = {0, 64};
  REQUIRE_FALSE(overlap(ranges, wrong).empty());
}

TEST_CASE("buffers that follow one another share their bytes", "[plan]") {
  const auto plan = plan::plan_memory({{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}});
  REQUIRE(plan.arena_bytes == 2 * 1024);
}

TEST_CASE("split covers everything once, whatever the workers", "[plan]") {
  for (const int workers : {1, 2, 3, 7})
    for (const std::size_t total : {0u, 1u, 2u, 5u, 64u, 100u})
      for (const std::size_t grain : {1u, 3u, 1000u}) {
        plan::Runtime r;
        r.parallel = serial_parallel_for();
        r.parallel.workers = workers;
        std::vector<int> seen(total);
        std::size_t shares = 0;
        r.split(total, grain, [&](const plan::Share& share) {
          REQUIRE(share.worker < static_cast<std::size_t>(workers));
          ++shares;
          for (std::size_t i = share.begin; i < share.end; ++i) ++seen[i];
        });
        for (const int n : seen) REQUIRE(n == 1);
        REQUIRE(shares <= (total + grain - 1) / grain);
      }
}

TEST_CASE("resize taps have half-pixel centres and stay inside", "[resize]") {
  for (const std::size_t src : {1u, 2u, 3u, 7u, 64u})
    for (const std::size_t dst : {1u, 2u, 3u, 5u, 8u, 64u, 129u}) {
      std::vector<kernels::ResizeTap> taps(dst);
      core::resize_taps(src, dst, taps.data());
      for (std::size_t i = 0; i < dst; ++i) {
        const double at = std::min(
            std::max((static_cast<double>(i) + 0.5) * static_cast<double>(src) / static_cast<double>(dst) - 0.5, 0.0),
            static_cast<double>(src - 1));
        INFO("src " << src << " dst " << dst << " i " << i);
        REQUIRE(taps[i].lo <= taps[i].hi);
        REQUIRE(taps[i].hi <= taps[i].lo + 1);
        REQUIRE(taps[i].hi < src);
        REQUIRE(taps[i].t >= 0.0f);
        REQUIRE(taps[i].t <= 1.0f);
        REQUIRE(static_cast<double>(taps[i].lo) + static_cast<double>(taps[i].t) == Approx(at).margin(1e-5));
      }
    }
}

TEST_CASE("an axis operator is resampled as R(N->n) A R(n->N)", "[resize]") {
  // Oracle: the two matrices written out, multiplied in double.
  const auto matrix = [](std::size_t a, std::size_t b) {
    std::vector<double> m(b * a, 0.0);
    for (std::size_t i = 0; i < b; ++i) {
      double at = (static_cast<double>(i) + 0.5) * static_cast<double>(a) / static_cast<double>(b) - 0.5;
      at = std::min(std::max(at, 0.0), static_cast<double>(a - 1));
      const auto lo = static_cast<std::size_t>(at);
      const auto hi = std::min(lo + 1, a - 1);
      m[i * a + lo] += 1.0 - (at - static_cast<double>(lo));
      m[i * a + hi] += at - static_cast<double>(lo);
    }
    return m;
  };
  const auto multiply = [](const std::vector<double>& a, const std::vector<double>& b, std::size_t m, std::size_t k,
                           std::size_t n) {
    std::vector<double> c(m * n, 0.0);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j)
        for (std::size_t l = 0; l < k; ++l) c[i * n + j] += a[i * k + l] * b[l * n + j];
    return c;
  };
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const std::size_t size : {1u, 2u, 8u, 13u})
    for (const std::size_t n : {1u, 2u, 7u, 8u, 16u, 29u}) {
      std::vector<float> a(size * size), out(n * n);
      for (float& v : a) v = uniform(random);
      std::vector<double> scratch(n * (size + 1));
      core::resample_operator(a.data(), size, n, out.data(), scratch.data());
      const std::vector<double> wide(a.begin(), a.end());
      const auto expected =
          n == size ? wide : multiply(multiply(matrix(size, n), wide, n, size, size), matrix(n, size), n, size, n);
      for (std::size_t i = 0; i < out.size(); ++i) {
        INFO("N " << size << " n " << n << " element " << i);
        REQUIRE(static_cast<double>(out[i]) == Approx(expected[i]).margin(1e-6));
      }
    }
}
