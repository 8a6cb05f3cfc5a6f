#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

/// What libFuzzer calls, and what replay.cpp calls for each file of a corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// libFuzzer's own mutations, for the mutators here.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// Ends the run where a promise is broken; assert would be silent in a release build.
inline void require(bool holds) {
  if (!holds) std::abort();
}

/// An input as decisions, a byte each; 0, the ordinary case, behind its end.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool is_empty() const { return left_ == 0; }
  int byte() { return left_ > 0 ? (--left_, *data_++) : 0; }
  /// 0..n - 1
  int below(int n) { return byte() % n; }
  /// Once in n bytes, and never at the input's end.
  bool is_rare(int n) { return below(n) == n - 1; }
  /// low..low + n - 1, and now and then a value that must be refused.
  int extent(int low, int n) {
    constexpr int k_hostile[] = {-1, 0, 1, 31, 16385, 1 << 20, INT_MIN, INT_MAX};
    const int b = byte();
    return b >= 248 ? k_hostile[b - 248] : low + b % n;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};
