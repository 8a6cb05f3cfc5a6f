#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lemore::bench {

/// Repeatable values in [low, high).
inline std::vector<float> values(std::size_t n, float low = -1.0f, float high = 1.0f) {
  std::vector<float> result(n);
  std::uint32_t state = 1;
  for (float& x : result) {
    state = state * 1664525u + 1013904223u;
    x = low + (high - low) * static_cast<float>(state >> 8) / static_cast<float>(1 << 24);
  }
  return result;
}

}  // namespace lemore::bench
