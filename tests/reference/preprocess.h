#pragma once

#include <cstddef>

#include "kernels/ops/preprocess.h"

namespace lemore::reference {

/// Channel i of the network's input at (row, column), in double. Without taps the image keeps its size.
inline double preprocess(const kernels::Preprocess& a, std::size_t row, std::size_t column, std::size_t i) {
  const auto at = [&](std::size_t y, std::size_t x) {
    return static_cast<double>(a.pixels[y * a.row_bytes + x * a.pixel_bytes + a.channel[i]]);
  };
  double value;
  if (a.taps_y == nullptr) {
    value = at(row, column);
  } else {
    const kernels::ResizeTap ty = a.taps_y[row], tx = a.taps_x[column];
    const double u = tx.t, v = ty.t;
    value = (1 - v) * ((1 - u) * at(ty.lo, tx.lo) + u * at(ty.lo, tx.hi)) +
            v * ((1 - u) * at(ty.hi, tx.lo) + u * at(ty.hi, tx.hi));
  }
  return (value - static_cast<double>(a.mean[i])) * static_cast<double>(a.inv_std[i]);
}

}  // namespace lemore::reference
