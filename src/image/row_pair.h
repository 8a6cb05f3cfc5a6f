#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lemore::image {

/// Two neighbouring rows of a map that is never stored as a whole: what a bilinear resize of it needs at a time. Rows
/// are made when they are first asked for, and an upper row is kept when it becomes the lower one.
class RowPair {
 public:
  /// `rows` holds two rows of `elements` each.
  RowPair(float* rows, std::size_t elements) : rows_(rows), elements_(elements) {}

  /// Holds rows lo and hi, which is lo or lo + 1, one behind the other: make(row, out) computes those that are missing.
  template <typename Make>
  void need(std::size_t lo, std::size_t hi, const Make& make) {
    if (lo_ + 1 == lo && have_[1]) {
      std::memcpy(rows_, rows_ + elements_, elements_ * sizeof(float));
      have_[0] = true;
      have_[1] = false;
    } else if (lo_ != lo) {
      have_[0] = have_[1] = false;
    }
    lo_ = lo;
    if (!have_[0]) make(lo, rows_);
    have_[0] = true;
    if (hi == lo || have_[1]) return;
    make(hi, rows_ + elements_);
    have_[1] = true;
  }

 private:
  float* rows_;
  std::size_t elements_;
  std::size_t lo_ = SIZE_MAX - 1;
  bool have_[2] = {false, false};
};

}  // namespace lemore::image
