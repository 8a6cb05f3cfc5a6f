#include "kernels/ops/layer_norm.h"

#include "reference/layer_norm.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using kernels::LayerNorm;

struct Case {
  std::size_t pixels, c, gap;
  bool has_scale, has_shift, in_place;
  float mean = 0.0f, deviation = 1.0f;
};

void check_layer_norm(const KernelTable& table, const Case& k, std::uint64_t seed) {
  Random random(seed);
  const std::size_t stride = k.c + k.gap;
  Floats x(matrix_size(k.pixels, k.c, stride), k_nan, k.gap), own(matrix_size(k.pixels, k.c, stride), k_nan, k.gap);
  Floats scale(k.c), shift(k.c);
  fill_matrix(x, k.pixels, k.c, stride, random, k.mean - k.deviation, k.mean + k.deviation);
  fill_random(scale, random, -2.0f, 2.0f);
  fill_random(shift, random);
  const std::vector<float> input(x.begin(), x.end());
  LayerNorm a;
  a.pixels = k.pixels;
  a.c = k.c;
  a.x = x.data();
  a.x_stride = a.y_stride = stride;
  a.scale = k.has_scale ? scale.data() : nullptr;
  a.shift = k.has_shift ? shift.data() : nullptr;
  Floats& y = k.in_place ? x : own;
  a.y = y.data();
  table.layer_norm(a);
  a.x = input.data();

  std::ostringstream what;
  what << "layer_norm " << k.pixels << " x " << k.c << " mean " << k.mean << " deviation " << k.deviation
       << (k.has_scale ? " scale" : "") << (k.has_shift ? " shift" : "") << (k.in_place ? " in place" : "");
  Comparison comparison(table, what.str(), seed);
  for (std::size_t p = 0; p < k.pixels; ++p) {
    const reference::Moments m = reference::moments(a, p);
    for (std::size_t i = 0; i < stride && p * stride + i < y.size(); ++i) {
      if (i >= k.c) {
        comparison.require(std::isnan(y[p * stride + i]), "wrote between the pixels");
        continue;
      }
      const double z = (static_cast<double>(input[p * stride + i]) - m.mean) / m.deviation;
      const double s = k.has_scale ? scale[i] : 1.0, t = k.has_shift ? shift[i] : 0.0;
      const double steps = static_cast<double>(k.c) / 16 + 8;
      // Where all values are the same there is no deviation, and eps is all there is.
      const double far = std::fabs(m.mean) * 0x1p-20 / m.deviation;
      const double tolerance = static_cast<double>(kernels::layer_norm_tol) * k_eps * steps *
                               (std::fabs(s) * (1 + std::fabs(z) + far) + std::fabs(t));
      comparison.element({p, i}, z * s + t, static_cast<double>(y[p * stride + i]), tolerance);
    }
  }
  comparison.require(y.front_intact(), "wrote outside y");
  check(comparison);
}

}  // namespace

TEST_CASE("layer_norm normalises each pixel", "[kernels][layer_norm]") {
  for_each_table([](const KernelTable& table) {
    const std::size_t l = table.lanes;
    std::uint64_t seed = 0;
    for (const std::size_t c : {std::size_t{1}, std::size_t{2}, l - 1, l, l + 1, 2 * l, 4 * l - 1, 4 * l, 4 * l + 1,
                                9 * l + 3, std::size_t{32}, std::size_t{150}, std::size_t{160}, std::size_t{256}})
      for (const std::size_t pixels : {0, 1, 5})
        for (int given = 0; given < 8; ++given)
          check_layer_norm(table, {pixels, c, c % 3, (given & 1) != 0, (given & 2) != 0, (given & 4) != 0}, ++seed);
  });
}

TEST_CASE("layer_norm far from zero", "[kernels][layer_norm]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 1000;
    for (const float mean : {1000.0f, -1000.0f, 1e5f})
      for (const float deviation : {0.0f, 0.1f, 1.0f, 100.0f})
        for (const std::size_t c : {7, 32, 160, 513})
          check_layer_norm(table, {3, c, 0, true, true, false, mean, deviation}, ++seed);
  });
}

TEST_CASE("layer_norm keeps NaN and infinities in their pixel, and its bits wherever the pixel is",
          "[kernels][layer_norm]") {
  for_each_table([](const KernelTable& table) {
    const std::size_t c = 2 * table.lanes + 3;
    for (const float bad : {k_nan, k_infinity, -k_infinity}) {
      Random random(3);
      Floats x(5 * c), whole(5 * c), parts(5 * c);
      fill_random(x, random);
      x[2 * c + c - 1] = bad;
      LayerNorm a;
      a.pixels = 5;
      a.c = a.x_stride = a.y_stride = c;
      a.x = x.data();
      a.y = whole.data();
      table.layer_norm(a);
      for (std::size_t i = 0; i < 5 * c; ++i) REQUIRE(std::isnan(whole[i]) == (i / c == 2));
      a.pixels = 1;
      for (std::size_t p = 0; p < 5; ++p) {
        a.x = x.data() + p * c;
        a.y = parts.data() + p * c;
        table.layer_norm(a);
        if (p != 2) CHECK(std::memcmp(&whole[p * c], &parts[p * c], c * sizeof(float)) == 0);
      }
    }
  });
}

}  // namespace lemore::test
