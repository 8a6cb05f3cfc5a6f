#pragma once

#include <algorithm>
#include <cstddef>

namespace lemore::plan::steps {

/// Rows of a map that are made on demand, in order, and overwritten once they are no longer needed.
struct RowRing {
  float* memory = nullptr;
  std::size_t rows = 0, row_elements = 0;
  std::size_t next = 0;  ///< the first row that was not made

  /// Makes rows up to `end`, skipping those before `begin`: make(row, count, memory) for runs that do not wrap.
  template <typename Make>
  void need(std::size_t begin, std::size_t end, const Make& make) {
    next = std::max(next, begin);
    while (next < end) {
      const std::size_t slot = next % rows, count = std::min(end - next, rows - slot);
      make(next, count, memory + slot * row_elements);
      next += count;
    }
  }
};

}  // namespace lemore::plan::steps
