#include "support/simd_probe.h"

#include <cmath>

#include "kernels/simd/tolerance.h"
#include "reference/activation.h"
#include "support/kernel_test.h"

#define LEMORE_DECLARE_PROBE(isa)          \
  namespace lemore::kernels::isa {         \
  extern const test::SimdProbe simd_probe; \
  }
LEMORE_DECLARE_PROBE(portable)
LEMORE_DECLARE_PROBE(avx2)
LEMORE_DECLARE_PROBE(avx512)
LEMORE_DECLARE_PROBE(neon)
LEMORE_DECLARE_PROBE(emulated_avx512)

namespace lemore::test {
namespace {

const SimdProbe& probe_of(const kernels::KernelTable& table) {
  const std::string isa = table.isa;
#if defined(LEMORE_HAVE_AVX2)
  if (isa == "avx2") return kernels::avx2::simd_probe;
#endif
#if defined(LEMORE_HAVE_AVX512)
  if (isa == "avx512") return kernels::avx512::simd_probe;
#endif
#if defined(LEMORE_HAVE_NEON)
  if (isa == "neon") return kernels::neon::simd_probe;
#endif
#if defined(LEMORE_TEST_EMULATED_AVX512)
  if (isa == "emulated_avx512") return kernels::emulated_avx512::simd_probe;
#endif
  REQUIRE(isa == "portable");
  return kernels::portable::simd_probe;
}

float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// The distance between neighbouring floats around |x|, that of the denormals below 2^-126.
double ulp(double x) {
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// The largest error in ulp of a function over floats 0, step, 2 * step... of both signs, by their bits, and where it
/// is.
template <typename Exact>
std::pair<double, float> worst_error(void (*function)(size_t, const float*, float*), Exact exact, float low, float high,
                                     std::uint32_t step) {
  std::pair<double, float> worst = {0.0, 0.0f};
  constexpr std::size_t k_batch = 1000;
  std::vector<float> x, y(k_batch);
  const auto flush = [&] {
    function(x.size(), x.data(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = exact(static_cast<double>(x[i]));
      const bool is_infinite = static_cast<float>(expected) == k_infinity;
      double error = std::fabs(y[i] - expected) / ulp(expected);
      if (is_infinite) error = y[i] == k_infinity ? 0.0 : 1e9;
      if (!(error <= worst.first)) worst = {error, x[i]};
    }
    x.clear();
  };
  for (const std::uint32_t sign : {0u, 0x80000000u}) {
    for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += step) {
      const float value = from_bits(sign | bits);
      if (value < low || value > high) continue;
      x.push_back(value);
      if (x.size() == k_batch) flush();
    }
  }
  flush();
  return worst;
}

}  // namespace

TEST_CASE("vector operations do what vec.h says", "[kernels][simd]") {
  for_each_table([](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    CHECK(probe.lanes == table.lanes);
    const char* failure = probe.first_failure();
    CHECK(std::string(failure == nullptr ? "" : failure) == "");
  });
}

TEST_CASE("partial loads and stores touch n values", "[kernels][simd]") {
  for_each_table([](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    for (std::size_t n = 0; n <= probe.lanes; ++n) {
      for (const std::size_t shift : {0, 1}) {
        CAPTURE(n, shift);
        Floats x(n, 1.5f), y(n, 0.0f, shift), rest(probe.lanes - n, k_nan);
        probe.copy_n(n, x.data(), y.data(), rest.data());
        CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v == 1.5f; }));
        CHECK(std::all_of(rest.begin(), rest.end(), [](float v) { return v == 0.0f; }));
        CHECK((x.front_intact() && y.front_intact()));

        Guarded<unsigned char> bytes(n), copy(n, 0, shift);
        for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<unsigned char>(255 - 17 * i);
        Floats as_float(n);
        probe.copy_u8(n, bytes.data(), as_float.data(), copy.data());
        for (std::size_t i = 0; i < n; ++i) {
          CHECK(as_float[i] == static_cast<float>(bytes[i]));
          CHECK(copy[i] == bytes[i]);
        }
        CHECK(copy.front_intact());
      }
    }
  });
}

TEST_CASE("exp and sigmoid stay within their tolerance", "[kernels][simd]") {
  // Every 997th float of all magnitudes: 4.3 million values.
  const std::uint32_t step = 997;
  for_each_table([&](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    const float exp_low = keeps_denormals(table) ? -k_infinity : -87.3365f;  // exp of it is the least normal number
    const auto exp_error = worst_error(
        probe.exp, [](double x) { return std::exp(x); }, exp_low, k_infinity, step);
    CAPTURE(exp_error.second);
    CHECK(exp_error.first <= kernels::exp_tol_ulp);
    const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
    const auto sigmoid_error = worst_error(probe.sigmoid, sigmoid, -87.0f, k_infinity, step);
    CAPTURE(sigmoid_error.second);
    CHECK(sigmoid_error.first <= kernels::sigmoid_tol_ulp);
    for (const float x : {-87.5f, -88.0f, -90.0f, -1e4f, -k_infinity}) {
      float y;
      probe.sigmoid(1, &x, &y);
      CHECK(std::fabs(y - sigmoid(x)) <= 0x1p-126);
      probe.exp(1, &x, &y);
      CHECK(std::fabs(y - std::exp(static_cast<double>(x))) <= 0x1p-126);
    }
  });
}

TEST_CASE("exp2_softmax stays within its tolerance", "[kernels][simd]") {
  for_each_table([](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    const auto error = worst_error(
        probe.exp2_softmax, [](double x) { return std::exp2(x); }, -126.0f, 127.0f, 997);
    CAPTURE(error.second);
    CHECK(error.first <= kernels::exp2_tol_ulp);
    const float x[] = {-126.25f, -126.75f, -127.0f, -130.0f, -1e4f, -1e30f, -k_infinity, 0.0f, -0.0f, 3.0f, k_nan};
    float y[std::size(x)];
    probe.exp2_softmax(std::size(x), x, y);
    CHECK(std::fabs(y[0] - std::exp2(x[0])) <= 0x1p-126f);
    for (std::size_t i = 1; i < 7; ++i) CHECK(y[i] == 0.0f);
    CHECK((y[7] == 1.0f && y[8] == 1.0f && y[9] == 8.0f && std::isnan(y[10])));
  });
}

TEST_CASE("gelu stays within its tolerance", "[kernels][simd]") {
  const auto exact = [](double x) { return reference::activate(x, kernels::Activation::gelu); };
#ifdef __arm__  // whose NEON takes denormals for 0
  constexpr double k_least = 0x1p-126;
#else
  constexpr double k_least = 0x1p-149;
#endif
  for_each_table([&](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    // 2 million values where it bends, 2^16 of all magnitudes, and where the polynomial ends.
    std::vector<float> x;
    for (int i = -(1 << 20); i <= 1 << 20; ++i) x.push_back(static_cast<float>(i) * (6.0f / (1 << 20)));
    for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 0x7f800000u >> 15)
      for (const std::uint32_t sign : {0u, 0x80000000u}) x.push_back(from_bits(sign | bits));
    for (const float sign : {-1.0f, 1.0f})
      for (float v = 5.2999f; v < 5.3001f; v = std::nextafter(v, 6.0f)) x.push_back(sign * v);
    std::vector<float> y(x.size());
    probe.gelu(x.size(), x.data(), y.data());
    double worst = 0, at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double magnitude = std::fabs(static_cast<double>(x[i]));
      const double error = std::fabs(y[i] - exact(x[i])) / std::max(magnitude * k_eps, k_least);
      if (!(error <= worst)) worst = error, at = x[i];
    }
    CAPTURE(at);
    CHECK(worst <= static_cast<double>(kernels::gelu_tol));
    const float corners[] = {0.0f, k_infinity, -k_infinity, k_nan, 3e38f, -3e38f};
    float results[std::size(corners)];
    probe.gelu(std::size(corners), corners, results);
    CHECK((results[0] == 0.0f && results[1] == k_infinity && results[2] == 0.0f && std::isnan(results[3])));
    CHECK((results[4] == 3e38f && results[5] == 0.0f));
  });
}

TEST_CASE("activations at their corners", "[kernels][simd]") {
  for_each_table([](const kernels::KernelTable& table) {
    const SimdProbe& probe = probe_of(table);
    const float x[] = {k_nan, -k_infinity, -3.0f, -0.0f, 0.0f, 3.0f, 6.0f, 6.5f, k_infinity};
    constexpr std::size_t n = std::size(x);
    float y[n];
    probe.relu6(n, x, y);
    const float relu6[] = {k_nan, 0, 0, 0, 0, 3, 6, 6, 6};
    for (std::size_t i = 0; i < n; ++i) CHECK((y[i] == relu6[i] || (i == 0 && std::isnan(y[i]))));
    probe.hardswish(n, x, y);
    CHECK(std::isnan(y[0]));
    CHECK(y[2] == 0.0f);
    CHECK(y[5] == Approx(3.0f));
    CHECK(y[6] == Approx(6.0f));
    CHECK(y[8] == k_infinity);
    probe.sigmoid(n, x, y);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 0.0f);
    CHECK(y[3] == 0.5f);
    CHECK(y[8] == 1.0f);
    probe.exp(n, x, y);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 0.0f);
    CHECK(y[4] == 1.0f);
    CHECK(y[8] == k_infinity);
  });
}

}  // namespace lemore::test
