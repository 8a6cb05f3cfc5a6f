#pragma once

// Bilinear resize by the formula, in double: half-pixel centres, source coordinates clamped, no antialiasing.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/ops/resize.h"

namespace lemore::reference {

/// Taps of a 1-D resize src -> dst, straight from the definition.
inline std::vector<kernels::ResizeTap> resize_taps(std::size_t src, std::size_t dst) {
  std::vector<kernels::ResizeTap> taps(dst);
  for (std::size_t i = 0; i < dst; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * static_cast<double>(src) / static_cast<double>(dst) - 0.5;
    const double at = std::min(std::max(centre, 0.0), static_cast<double>(src - 1));
    const double lo = std::floor(at);
    const double hi = std::min(lo + 1.0, static_cast<double>(src - 1));
    taps[i].lo = static_cast<std::uint32_t>(lo);
    taps[i].hi = static_cast<std::uint32_t>(hi);
    // Rounded down, so that it stays below 1.
    taps[i].t = hi > lo ? std::min(static_cast<float>(at - lo), 1.0f - 0x1p-24f) : 0.0f;
  }
  return taps;
}

/// Value of channel `i` of x [., w, c] between the taps.
inline double resize_at(const std::vector<float>& x, std::size_t w, std::size_t c, kernels::ResizeTap ty,
                        kernels::ResizeTap tx, std::size_t i) {
  const auto at = [&](std::size_t row, std::size_t column) {
    return static_cast<double>(x[(row * w + column) * c + i]);
  };
  const double u = tx.t, v = ty.t;
  return (1 - v) * ((1 - u) * at(ty.lo, tx.lo) + u * at(ty.lo, tx.hi)) +
         v * ((1 - u) * at(ty.hi, tx.lo) + u * at(ty.hi, tx.hi));
}

/// Resize of x [h, w, c] to [out_h, out_w, c], with the taps given.
inline std::vector<double> resize(const std::vector<float>& x, std::size_t w, std::size_t c,
                                  const std::vector<kernels::ResizeTap>& taps_y,
                                  const std::vector<kernels::ResizeTap>& taps_x) {
  std::vector<double> y;
  y.reserve(taps_y.size() * taps_x.size() * c);
  for (const auto& ty : taps_y)
    for (const auto& tx : taps_x)
      for (std::size_t i = 0; i < c; ++i) y.push_back(resize_at(x, w, c, ty, tx, i));
  return y;
}

}  // namespace lemore::reference
