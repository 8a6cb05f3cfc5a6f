#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace lemore::cli {

using Rgb = std::array<std::uint8_t, 3>;

/// One colour for each of `own` (at most 256; further ones begin again) that people tell apart in an overlay, colour-blind
/// people too. Data sets choose colours for other reasons: three of CamVid's eleven are blues, and two pairs look the
/// same to one man in twelve.
///
/// The colours are the first own.size() of a fixed table in which every beginning is spread as wide as possible. Each
/// class takes the one that is nearest to its own colour, so a blue sky stays bluish. The same `own` gives the same
/// colours.
std::vector<Rgb> distinct_colors(const std::vector<Rgb>& own);

}  // namespace lemore::cli
