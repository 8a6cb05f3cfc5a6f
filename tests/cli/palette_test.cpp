// The colours of overlays are told apart: distances in OKLab, as people with normal sight see them and as those with
// each of the three kinds of colour blindness do (Machado, Oliveira and Fernandes 2009, full severity).
#include "render/palette.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

using namespace lemore::cli;

namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

Vector times(const Matrix& m, const Vector& v) {
  Vector out{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) out[i] += m[i][j] * v[j];
  return out;
}

constexpr Matrix k_normal = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
constexpr Matrix k_protan = {
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}};
constexpr Matrix k_deutan = {
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}};
constexpr Matrix k_tritan = {
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}}};
constexpr Matrix k_lms = {{{0.4122214708, 0.5363325363, 0.0514459929},
                           {0.2119034982, 0.6806995451, 0.1073969566},
                           {0.0883024619, 0.2817188376, 0.6299787005}}};
constexpr Matrix k_lab = {{{0.2104542553, 0.7936177850, -0.0040720468},
                           {1.9779984951, -2.4285922050, 0.4505937099},
                           {0.0259040371, 0.7827717662, -0.8086757660}}};

Vector oklab(const Rgb& color, const Matrix& sight) {
  Vector linear;
  for (std::size_t c = 0; c < 3; ++c) {
    const double v = color[c] / 255.0;
    linear[c] = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  }
  linear = times(sight, linear);
  for (double& v : linear) v = std::min(std::max(v, 0.0), 1.0);
  Vector cone = times(k_lms, linear);
  for (double& v : cone) v = std::cbrt(v);
  return times(k_lab, cone);
}

/// The smallest distance of two of the colours.
double closest(const std::vector<Rgb>& colors, const Matrix& sight) {
  double smallest = 9;
  for (std::size_t a = 0; a < colors.size(); ++a) {
    for (std::size_t b = a + 1; b < colors.size(); ++b) {
      const Vector x = oklab(colors[a], sight), y = oklab(colors[b], sight);
      smallest = std::min(smallest, std::hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]));
    }
  }
  return smallest;
}

const std::vector<Rgb> k_camvid = {{128, 128, 128}, {128, 0, 0},   {192, 192, 128}, {128, 64, 128},
                                   {60, 40, 222},   {128, 128, 0}, {192, 128, 128}, {64, 64, 128},
                                   {64, 0, 128},    {64, 64, 0},   {0, 128, 192}};

}  // namespace

TEST_CASE("overlay colours are told apart, by colour-blind people too", "[palette]") {
  const std::vector<Rgb> colors = distinct_colors(k_camvid);
  REQUIRE(colors.size() == k_camvid.size());
  for (const Matrix& sight : {k_normal, k_protan, k_deutan, k_tritan}) {
    CHECK(closest(colors, sight) > 0.095);
    CHECK(closest(distinct_colors(std::vector<Rgb>(19)), sight) > 0.06);
    CHECK(closest(distinct_colors(std::vector<Rgb>(32)), sight) > 0.045);
  }
  CHECK(closest(k_camvid, k_deutan) < 0.05);  // what it is good for
}

TEST_CASE("every class has a colour of its own, near the data set's", "[palette]") {
  std::vector<Rgb> own;
  for (int i = 0; i < 300; ++i)
    own.push_back({static_cast<std::uint8_t>(i * 37), static_cast<std::uint8_t>(i * 91), 5});
  const std::vector<Rgb> colors = distinct_colors(own);
  CHECK(colors.size() == 300);
  CHECK(std::set<Rgb>(colors.begin(), colors.begin() + 256).size() == 256);
  CHECK(distinct_colors({}).empty());
  const std::vector<Rgb> two = distinct_colors({{0, 90, 0}, {90, 160, 255}});
  CHECK(two == std::vector<Rgb>{{0, 96, 0}, {96, 160, 255}});  // green stays green, blue stays blue
}
