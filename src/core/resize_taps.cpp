#include "core/resize_taps.h"

#include <algorithm>
#include <cstdint>

namespace lemore::core {

void resize_taps(std::size_t src, std::size_t dst, kernels::ResizeTap* taps) noexcept {
  const float scale = static_cast<float>(src) / static_cast<float>(dst);
  for (std::size_t i = 0; i < dst; ++i) {
    const float at = src == dst ? static_cast<float>(i) : std::max(0.0f, (static_cast<float>(i) + 0.5f) * scale - 0.5f);
    const std::size_t lo = std::min(static_cast<std::size_t>(at), src - 1);
    const std::size_t hi = std::min(lo + 1, src - 1);
    const float t = hi == lo ? 0.0f : std::min(at - static_cast<float>(lo), 1.0f);
    taps[i] = {static_cast<std::uint32_t>(lo), static_cast<std::uint32_t>(hi), t};
  }
}

namespace {

struct Tap {
  std::size_t lo, hi;
  double t;
};

Tap tap_at(std::size_t src, std::size_t dst, std::size_t i) noexcept {
  const double at =
      std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(src) / static_cast<double>(dst) - 0.5);
  const std::size_t lo = std::min(static_cast<std::size_t>(at), src - 1);
  const std::size_t hi = std::min(lo + 1, src - 1);
  return {lo, hi, hi == lo ? 0.0 : at - static_cast<double>(lo)};
}

}  // namespace

void resample_operator(const float* a, std::size_t size, std::size_t n, float* out, double* scratch) noexcept {
  if (n == size) {
    std::copy(a, a + n * n, out);
    return;
  }
  // rows: scratch [n, N] = R(N->n) A
  for (std::size_t i = 0; i < n; ++i) {
    const Tap tap = tap_at(size, n, i);
    for (std::size_t j = 0; j < size; ++j)
      scratch[i * size + j] =
          (1.0 - tap.t) * static_cast<double>(a[tap.lo * size + j]) + tap.t * static_cast<double>(a[tap.hi * size + j]);
  }
  // columns: out = scratch R(n->N), where row j of R(n->N) spreads column j over two of the n columns
  double* row = scratch + n * size;
  for (std::size_t i = 0; i < n; ++i) {
    std::fill(row, row + n, 0.0);
    for (std::size_t j = 0; j < size; ++j) {
      const Tap tap = tap_at(n, size, j);
      row[tap.lo] += (1.0 - tap.t) * scratch[i * size + j];
      row[tap.hi] += tap.t * scratch[i * size + j];
    }
    for (std::size_t m = 0; m < n; ++m) out[i * n + m] = static_cast<float>(row[m]);
  }
}

}  // namespace lemore::core
