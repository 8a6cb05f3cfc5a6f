// Checkers that can't fail check nothing.

#include "support/kernel_test.h"

namespace lemore::test {
namespace {

/// The report of comparing values with themselves after one of them was spoilt.
std::string report_with(std::size_t at, float wrong, double tolerance = 1e-6) {
  const std::vector<double> expected = {1.0, -2.0, 0.0, 4.0};
  std::vector<float> actual(expected.begin(), expected.end());
  actual[at] = wrong;
  Comparison comparison(kernel_table(Isa::portable), "planted", 7);
  for (std::size_t i = 0; i < actual.size(); ++i) comparison.element({i}, expected[i], actual[i], tolerance);
  return comparison.report();
}

}  // namespace

TEST_CASE("a comparison reports one wrong element wherever it is", "[kernels]") {
  CHECK(report_with(0, 1.0f) == "");
  CHECK(report_with(0, 1.0001f) != "");
  CHECK(report_with(3, 3.9999f) != "");
  CHECK(report_with(1, 2.0f) != "");  // the sign
  CHECK(report_with(1, -2.1f) != "");
  CHECK(report_with(2, k_nan) != "");
  CHECK(report_with(2, k_infinity) != "");
  CHECK(report_with(2, -1e-3f) != "");
  CHECK(report_with(0, 1.0f, -1.0) != "");   // a negative tolerance allows nothing
  CHECK(report_with(0, 1.0f, k_nan) != "");  // nor does NaN
  const std::string report = report_with(3, 5.0f);
  for (const char* part : {"portable", "planted", "seed 7", "(3)", "expected 4", "got 5", "tolerance", "1 of 4"})
    CHECK(report.find(part) != std::string::npos);
}

TEST_CASE("a comparison wants NaN and infinity where the oracle has them", "[kernels]") {
  Comparison comparison(kernel_table(Isa::portable), "planted", 7);
  comparison.element({0}, k_nan, k_nan, 0.0);
  comparison.element({1}, -k_infinity, -k_infinity, 0.0);
  CHECK(comparison.report() == "");
  comparison.element({2}, k_nan, 0.0, 1.0);
  comparison.element({3}, k_infinity, -k_infinity, 1.0);
  CHECK(comparison.report().find("2 of 4") != std::string::npos);
}

TEST_CASE("a guarded buffer notices writes outside", "[kernels]") {
  Floats buffer(5, 0.0f, 3);
  CHECK(buffer.front_intact());
  buffer.data()[5] = 0.0f;
  CHECK(!buffer.front_intact());
  Floats other(5);
  other.data()[-1] = 0.0f;
  CHECK(!other.front_intact());
  CHECK(reinterpret_cast<std::uintptr_t>(other.end()) % 4096 == 0);
}

}  // namespace lemore::test
