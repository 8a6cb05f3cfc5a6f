#pragma once

// What every kernel test needs: the tables to test, buffers that notice a step outside, seeded values, and comparisons
// that say what, where and by how much.

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/kernel_table.h"

namespace lemore::kernels {
/// The AVX-512 kernels on top of an emulation of the instructions (tests/kernels/kernel_tests.cmake).
extern const KernelTable table_emulated_avx512;
}  // namespace lemore::kernels

namespace lemore::test {

constexpr double k_eps = 1.0 / (1 << 24);  ///< half a unit in the last place, relative
constexpr float k_nan = std::numeric_limits<float>::quiet_NaN();
constexpr float k_infinity = std::numeric_limits<float>::infinity();

/// Whether a table computes with numbers below 2^-126 rather than with zeros (kernels/simd/vec.h).
inline bool keeps_denormals([[maybe_unused]] const kernels::KernelTable& table) {
#if defined(__arm__)
  return table.isa != std::string_view("neon");
#else
  return true;
#endif
}

/// Calls test(table) for the kernels of every ISA this CPU can run, and of the emulated one. A table that is not the
/// one asked for fails the test.
template <typename Test>
void for_each_table(Test test) {
  const auto run = [&](const std::string& name, const kernels::KernelTable& table) {
    INFO("ISA " << name);
    REQUIRE(name == table.isa);
    test(table);
  };
  for (const Isa isa : supported_isas()) run(isa_name(isa), kernel_table(isa));
#if defined(LEMORE_TEST_EMULATED_AVX512)
  run("emulated_avx512", kernels::table_emulated_avx512);
#endif
}

/// Repeatable values, the same on every platform (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 .. n - 1
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool flip() { return below(2) == 1; }
  float uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(next() >> 40) / static_cast<float>(1 << 24);
  }

 private:
  std::uint64_t state_;
};

/// n values that end exactly where a page without access begins: reading or writing behind them is a crash in every
/// build, also where a sanitizer does not see intrinsics. Before them lie sentinels, which front_intact() looks at.
/// Their address has whatever alignment n leaves; `shift` unused values (sentinels too) behind them give another.
template <typename T>
class Guarded {
 public:
  explicit Guarded(std::size_t n, T fill = T{}, std::size_t shift = 0) : size_(n) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t used = ((k_front + n + shift) * sizeof(T) + page - 1) / page * page;
    bytes_ = used + page;
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<unsigned char*>(p);
    mprotect(base_ + used, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + used) - n - shift;
    std::memset(base_, k_sentinel, used);
    for (std::size_t i = 0; i < n; ++i) data_[i] = fill;
    end_ = base_ + used;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, bytes_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

  /// Whether nothing was written before the values, or behind them where `shift` left room.
  bool front_intact() const {
    for (const unsigned char* p = base_; p < reinterpret_cast<const unsigned char*>(data_); ++p)
      if (*p != k_sentinel) return false;
    for (const unsigned char* p = reinterpret_cast<const unsigned char*>(data_ + size_); p < end_; ++p)
      if (*p != k_sentinel) return false;
    return true;
  }

 private:
  static constexpr std::size_t k_front = 64;
  static constexpr unsigned char k_sentinel = 0xff;  // as a float: NaN

  std::size_t size_, bytes_;
  unsigned char* base_;
  unsigned char* end_;
  T* data_;
};

using Floats = Guarded<float>;

inline void fill_random(Floats& values, Random& random, float low = -1.0f, float high = 1.0f) {
  for (float& x : values) x = random.uniform(low, high);
}

/// A matrix of rows x cols with a row stride; what lies between the rows keeps `padding`, which a test can look at
/// again.
inline void fill_matrix(Floats& values, std::size_t rows, std::size_t cols, std::size_t stride, Random& random,
                        float low = -1.0f, float high = 1.0f) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) values[r * stride + c] = random.uniform(low, high);
}

/// The values a strided matrix needs: none behind its last row.
constexpr std::size_t matrix_size(std::size_t rows, std::size_t cols, std::size_t stride) {
  return rows == 0 ? 0 : (rows - 1) * stride + cols;
}

/// Compares elements with what the oracle says and keeps the first difference as a sentence.
class Comparison {
 public:
  /// `what` names the kernel and the shape.
  Comparison(const kernels::KernelTable& table, std::string what, std::uint64_t seed)
      : isa_(table.isa), what_(std::move(what)), seed_(seed) {}

  /// NaN is expected where the oracle has it and nowhere else, infinities are equal; the rest may differ by the
  /// tolerance.
  void element(std::initializer_list<std::size_t> index, double expected, double actual, double tolerance) {
    ++count_;
    const bool same = std::isnan(expected)   ? std::isnan(actual)
                      : std::isinf(expected) ? actual == expected
                                             : std::fabs(actual - expected) <= tolerance;
    if (same || ++failures_ > 1) return;
    std::ostringstream text;
    text.precision(9);
    text << isa_ << ": " << what_ << ", seed " << seed_ << ", at (";
    for (const std::size_t* i = index.begin(); i != index.end(); ++i) text << (i == index.begin() ? "" : ", ") << *i;
    text << "): expected " << expected << ", got " << actual << ", difference " << std::fabs(actual - expected)
         << ", tolerance " << tolerance;
    first_ = text.str();
  }

  /// Something that must hold besides the elements.
  void require(bool holds, const std::string& sentence) {
    ++count_;
    if (holds || ++failures_ > 1) return;
    first_ = std::string(isa_) + ": " + what_ + ", seed " + std::to_string(seed_) + ": " + sentence;
  }

  /// Empty when all is well.
  std::string report() const {
    return failures_ == 0
               ? std::string()
               : first_ + " (" + std::to_string(failures_) + " of " + std::to_string(count_) + " checks failed)";
  }

 private:
  const char* isa_;
  std::string what_;
  std::uint64_t seed_;
  std::size_t count_ = 0, failures_ = 0;
  std::string first_;
};

/// One assertion a comparison, so that a suite of millions of elements stays quick.
inline void check(const Comparison& comparison) { CHECK(comparison.report() == ""); }

}  // namespace lemore::test
