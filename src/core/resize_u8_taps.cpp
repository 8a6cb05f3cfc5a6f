#include "core/resize_u8_taps.h"

#include <algorithm>
#include <cmath>

namespace lemore::core {

namespace {

double filter_scale(std::size_t src, std::size_t dst) noexcept {
  return std::max(static_cast<double>(src) / static_cast<double>(dst), 1.0);
}

}  // namespace

std::size_t resample_weights(std::size_t src, std::size_t dst) noexcept {
  return static_cast<std::size_t>(std::ceil(filter_scale(src, dst))) * 2 + 1;
}

void resample_taps(std::size_t src, std::size_t dst, kernels::ResampleTap* taps, std::int32_t* weights) noexcept {
  const double scale = static_cast<double>(src) / static_cast<double>(dst);
  const double support = filter_scale(src, dst), inverse = 1.0 / support;
  const std::size_t stride = resample_weights(src, dst);
  for (std::size_t i = 0; i < dst; ++i, weights += stride) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    // Casts cut off, as in Pillow; both are at least 0 then.
    const auto begin = static_cast<std::size_t>(std::max(centre - support + 0.5, 0.0));
    const std::size_t end = std::min(static_cast<std::size_t>(centre + support + 0.5), src);
    const auto weight = [&](std::size_t x) {
      const double distance = std::fabs((static_cast<double>(x) - centre + 0.5) * inverse);
      return distance < 1.0 ? 1.0 - distance : 0.0;
    };
    double sum = 0;
    for (std::size_t x = begin; x < end; ++x) sum += weight(x);
    taps[i] = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)};
    std::fill(weights, weights + stride, 0);
    for (std::size_t x = begin; x < end; ++x)
      weights[x - begin] = static_cast<std::int32_t>(0.5 + (sum != 0 ? weight(x) / sum : 0.0) * (1 << 22));
  }
}

void linear_taps_u8(std::size_t src, std::size_t dst, bool across, kernels::LinearTapU8* taps) noexcept {
  const double scale = static_cast<double>(src) / static_cast<double>(dst);
  const auto last = static_cast<std::ptrdiff_t>(src) - 1;
  const auto fixed = [](float t) { return static_cast<std::int16_t>(std::lrint(t * 2048.0f)); };  // ties to even
  for (std::size_t i = 0; i < dst; ++i) {
    const auto at = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const float whole = std::floor(at);
    auto lo = static_cast<std::ptrdiff_t>(whole);
    float t = at - whole;
    if (across && (lo < 0 || lo >= last)) {
      lo = lo < 0 ? 0 : last;
      t = 0;
    }
    const auto inside = [last](std::ptrdiff_t p) {
      return static_cast<std::uint32_t>(std::clamp<std::ptrdiff_t>(p, 0, last));
    };
    taps[i] = {inside(lo), inside(lo + 1), fixed(1.0f - t), fixed(t)};
  }
}

}  // namespace lemore::core
