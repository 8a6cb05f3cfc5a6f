#include "render/palette.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>

namespace lemore::cli {

namespace {

// Calm colours: none is grey, nearly black, nearly white or glaring (chroma of at most 0.19 in OKLab; sRGB's red has
// 0.26). The first 19 stand for what is in street scenes. They were found by search: near what the thing looks like,
// and as far from each other as the test asks (OKLab, for normal sight, protanopia, deuteranopia and tritanopia by
// Machado et al. 2009); the eleven classes of CamVid farther than all nineteen. They are in an order in which each is
// the farthest from those before, and so is each further one, among colours whose channels are multiples of 16.
// tests/cli/palette_test.cpp computes the distances.
constexpr std::uint32_t k_distinct[256] = {
    // clang-format off
    0x8FBEE7, 0xB11F19, 0xF2A728, 0x3C75DB, 0x28376E, 0xFAF776, 0x68182C, 0x6A508F, 0x8D7D63, 0xBA929F,
    0xBFDAD1, 0x0A684E, 0xEF8238, 0xE2BB7E, 0xDFDD82, 0x2399C5, 0xBFAE9A, 0x1A787B, 0xAE579D, 0xD06020,
    0xD0F0F0, 0x9090F0, 0x5040A0, 0x501040, 0x801000, 0x604060, 0x30B0D0, 0xC070A0, 0x90A070, 0xA0F0B0,
    0x30D0C0, 0x503050, 0x9050B0, 0xA0D0F0, 0x406000, 0x707050, 0x401060, 0xA0B070, 0x305040, 0xD0D040,
    0x8080E0, 0xA0A0F0, 0x8070C0, 0xC05030, 0xB0D0A0, 0xE07030, 0xB05070, 0x204000, 0x609080, 0x909060,
    0x803030, 0x805030, 0x503090, 0x005080, 0x5050B0, 0xB0C050, 0x80B050, 0xA04060, 0x608040, 0x00C0C0,
    0x402080, 0xE0F0D0, 0xA070B0, 0xC080B0, 0xA05090, 0x7060C0, 0x403020, 0xC0A0A0, 0x502050, 0x508080,
    0x00F0E0, 0x803070, 0x007060, 0x80D070, 0x6050A0, 0xA060B0, 0xA06000, 0x603060, 0xA0C0B0, 0x20B080,
    0x202070, 0xF0D0F0, 0x604090, 0xC0E060, 0xD0F080, 0x602040, 0xF0A0E0, 0xE090D0, 0x10A0E0, 0x507090,
    0x50E0B0, 0x701010, 0x504050, 0xB080C0, 0x204080, 0x705040, 0xE0D090, 0x904000, 0xC0D060, 0xA03050,
    0xC060A0, 0xE08090, 0x602060, 0x809040, 0x506080, 0xA0E0A0, 0x409090, 0x705070, 0xB0A0E0, 0x50A080,
    0xF0B0D0, 0x405030, 0x6060A0, 0xF09030, 0x9070D0, 0xB09050, 0x90B0B0, 0x907060, 0x90A0C0, 0xF0E0C0,
    0xA07050, 0xD0C0E0, 0x504020, 0xD0A060, 0x70D090, 0xF0E050, 0x607030, 0xA080D0, 0xA08070, 0x405070,
    0x90B0F0, 0x709020, 0x600030, 0xC0F0A0, 0x406060, 0x106050, 0x004040, 0xE09090, 0xC080E0, 0x7080C0,
    0x905070, 0x90E0C0, 0xD09000, 0xC0C0A0, 0x0070C0, 0x90F0D0, 0x90C070, 0xA09070, 0x901020, 0xB0F0E0,
    0xF0B090, 0x507040, 0x3060C0, 0x805080, 0x70A050, 0x402060, 0xC0B050, 0x90B080, 0x908090, 0xD0B0F0,
    0x80C080, 0xA0A060, 0x90D0D0, 0xD07010, 0xC0D0B0, 0x603030, 0x703050, 0x605080, 0xF0C080, 0xB0E0B0,
    0xB04020, 0xF0A0C0, 0xE0C0F0, 0x408070, 0x706020, 0xB0E0E0, 0x600010, 0x807090, 0x60A0B0, 0xC090D0,
    0x0080A0, 0xD0C060, 0xC0A050, 0x5090F0, 0xC06040, 0x30B0F0, 0x506030, 0x708050, 0xA080B0, 0x602070,
    0x90B0D0, 0x6070D0, 0xC0B0D0, 0xE0F070, 0x501050, 0x509070, 0x703020, 0xA0D0C0, 0x90E090, 0x606040,
    0xC0A0C0, 0x906040, 0x9090D0, 0x80D0B0, 0xF0B040, 0xB0E070, 0xC05080, 0x006090, 0x508030, 0x604080,
    0xF0D050, 0x704040, 0xA0C060, 0xD0A0B0, 0x4080D0, 0xB0F090, 0x5090D0, 0x7070B0, 0x60B090, 0xE08030,
    0xB07000, 0x602020, 0xC09070, 0xA0C0E0, 0x30A060, 0xD0B080, 0xE0B060, 0x30C0A0, 0x7050B0, 0x60D0A0,
    0xB08040, 0xC0C040, 0x702040, 0xC08030, 0x30A090, 0x00A0C0, 0xF0A030, 0x105000, 0x907030, 0x9050A0,
    0x80F0A0, 0x403060, 0xC06070, 0x70B040, 0x6060B0, 0xD0E0A0, 0x005090, 0x303010, 0x008040, 0xF080B0,
    0xA0E0F0, 0x80A0A0, 0xE07080, 0x8040A0, 0xF0F0C0, 0xD0B040,
    // clang-format on
};

/// Names of classes whose colour people expect, in lower case, and its place above.
constexpr struct {
  std::string_view name;
  std::size_t color;
} k_familiar[] = {{"sky", 0},           {"person", 1},       {"pedestrian", 1},  {"people", 1},       {"human", 1},
                  {"traffic light", 2}, {"car", 3},          {"truck", 4},       {"traffic sign", 5}, {"sign", 5},
                  {"sign symbol", 5},   {"signboard", 5},    {"bicycle", 6},     {"bike", 6},         {"road", 7},
                  {"street", 7},        {"building", 8},     {"house", 8},       {"sidewalk", 9},     {"pavement", 9},
                  {"pole", 10},         {"column pole", 10}, {"vegetation", 11}, {"tree", 11},        {"rider", 12},
                  {"bicyclist", 12},    {"cyclist", 12},     {"fence", 13},      {"terrain", 14},     {"grass", 14},
                  {"bus", 15},          {"wall", 16},        {"train", 17},      {"motorcycle", 18},  {"motorbike", 18},
                  {"minibike", 18}};

/// The place of the colour that a class of this name is expected to have. Of a name such as "Tree, palm" the first
/// counts.
std::optional<std::size_t> familiar_color(const std::string& name) {
  std::string word = name.substr(0, name.find_first_of(",;"));
  for (char& c : word) c = c == '_' || c == '-' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  word.erase(word.find_last_not_of(' ') + 1);
  for (const auto& familiar : k_familiar)
    if (word == familiar.name) return familiar.color;
  return std::nullopt;
}

Rgb distinct(std::size_t index) {
  const std::uint32_t c = k_distinct[index % 256];
  return {static_cast<std::uint8_t>(c >> 16), static_cast<std::uint8_t>(c >> 8), static_cast<std::uint8_t>(c)};
}

/// How different two colours look, roughly: squared distances with weights that depend on the amount of red.
int difference(const Rgb& a, const Rgb& b) {
  const int red = (a[0] + b[0]) / 2, r = a[0] - b[0], g = a[1] - b[1], blue = a[2] - b[2];
  return (((512 + red) * r * r) >> 8) + 4 * g * g + (((767 - red) * blue * blue) >> 8);
}

}  // namespace

std::vector<Rgb> distinct_colors(const std::vector<Rgb>& own, const std::vector<std::string>& names) {
  const std::size_t count = std::min<std::size_t>(own.size(), 256);
  std::vector<Rgb> colors(own.size());
  for (std::size_t c = count; c < own.size(); ++c) colors[c] = distinct(c);
  std::array<bool, 256> is_taken{};
  std::vector<std::size_t> classes, left;  // the classes without a colour, and as many colours for them
  for (std::size_t c = 0; c < count; ++c) {
    const auto expected = c < names.size() ? familiar_color(names[c]) : std::nullopt;
    if (expected && !is_taken[*expected]) {
      is_taken[*expected] = true;
      colors[c] = distinct(*expected);
    } else {
      classes.push_back(c);
    }
  }
  for (std::size_t i = 0; left.size() < classes.size(); ++i)
    if (!is_taken[i]) left.push_back(i);
  while (!classes.empty()) {
    // The nearest pair; of equal ones the first.
    int smallest = std::numeric_limits<int>::max();
    std::size_t best_class = 0, best_color = 0;
    for (std::size_t c = 0; c < classes.size(); ++c) {
      for (std::size_t i = 0; i < left.size(); ++i) {
        const int d = difference(own[classes[c]], distinct(left[i]));
        if (d < smallest) smallest = d, best_class = c, best_color = i;
      }
    }
    colors[classes[best_class]] = distinct(left[best_color]);
    classes.erase(classes.begin() + static_cast<std::ptrdiff_t>(best_class));
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best_color));
  }
  return colors;
}

}  // namespace lemore::cli
