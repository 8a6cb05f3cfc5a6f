#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lemore::cli {

using Rgb = std::array<std::uint8_t, 3>;

/// One colour for each of `own` (at most 256; further ones begin again) that people tell apart in an overlay,
/// colour-blind people too. Data sets choose colours for other reasons: three of CamVid's eleven are blues, and two
/// pairs look the same to one man in twelve.
///
/// Classes whose names are those of street scenes ("sky", "road", "pedestrian") have the colour one expects of them.
/// The others take the first colours of a fixed table that are free, each the nearest to its own; every beginning of
/// that table is spread as wide as possible. The same arguments give the same colours. `names`: as many as `own`, or
/// none.
std::vector<Rgb> distinct_colors(const std::vector<Rgb>& own, const std::vector<std::string>& names = {});

}  // namespace lemore::cli
