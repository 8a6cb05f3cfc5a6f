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

const std::vector<std::string> k_camvid_names = {"sky",  "building", "pole", "road",       "pavement", "tree",
                                                 "sign", "fence",    "car",  "pedestrian", "bicyclist"};
const std::vector<std::string> k_cityscapes_names = {
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky",  "person",   "rider",    "car",  "truck", "bus",  "train",         "motorcycle",   "bicycle"};

/// Lightness, green to red, blue to yellow, to people with normal sight.
Vector seen(const Rgb& color) { return oklab(color, k_normal); }

}  // namespace

TEST_CASE("overlay colours are told apart, by colour-blind people too", "[palette]") {
  const std::vector<Rgb> colors = distinct_colors(k_camvid, k_camvid_names);
  REQUIRE(colors.size() == k_camvid.size());
  // In OKLab 0.02 is about what two patches side by side need; regions of a photograph that is half seen through the
  // colours need a few times that.
  for (const Matrix& sight : {k_normal, k_protan, k_deutan, k_tritan}) {
    CHECK(closest(colors, sight) > 0.095);
    CHECK(closest(distinct_colors(k_camvid), sight) > 0.095);
    CHECK(closest(distinct_colors(std::vector<Rgb>(19), k_cityscapes_names), sight) > 0.06);
    CHECK(closest(distinct_colors(std::vector<Rgb>(32)), sight) > 0.05);
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
  const std::vector<Rgb> two = distinct_colors({{90, 160, 255}, {200, 0, 0}});
  CHECK(seen(two[0])[2] < -0.05);  // blue stays blue
  CHECK(seen(two[1])[1] > 0.1);    // red stays red
}

TEST_CASE("street scenes look natural, and nothing glares", "[palette]") {
  const std::vector<Rgb> colors = distinct_colors(k_camvid, k_camvid_names);
  const auto color_of = [&](const char* name) {
    return seen(colors[static_cast<std::size_t>(std::find(k_camvid_names.begin(), k_camvid_names.end(), name) -
                                                k_camvid_names.begin())]);
  };
  CHECK(color_of("sky")[0] > 0.75);
  CHECK(color_of("sky")[2] < -0.05);  // a light blue
  CHECK(color_of("car")[2] < -0.1);
  CHECK(color_of("tree")[1] < -0.05);
  CHECK(color_of("pedestrian")[1] > 0.1);
  for (const char* gray : {"road", "building", "pavement", "pole"}) {
    INFO(gray);
    CHECK(std::hypot(color_of(gray)[1], color_of(gray)[2]) < 0.11);
  }
  for (const Rgb& color : distinct_colors(std::vector<Rgb>(256)))
    CHECK(std::hypot(seen(color)[1], seen(color)[2]) < 0.19);
  // A name counts however it is written, once; the data set's own colours play no part then.
  const std::vector<Rgb> written =
      distinct_colors(std::vector<Rgb>(4), {"Sky;heavens", "tree, palm", "TRAFFIC_SIGN", "sky"});
  CHECK(written[0] == colors[0]);
  CHECK(written[1] == colors[5]);
  CHECK(written[2] == colors[6]);
  CHECK(written[3] != colors[0]);
}
