#pragma once

#include <stddef.h>

namespace lemore::test {

/// The vector layer of one ISA seen from outside (tests/kernels/simd_probe.cpp).
struct SimdProbe {
  size_t lanes;
  /// Applies a function to n values.
  void (*exp)(size_t n, const float* x, float* y);
  void (*sigmoid)(size_t n, const float* x, float* y);
  void (*exp2_softmax)(size_t n, const float* x, float* y);
  void (*gelu)(size_t n, const float* x, float* y);
  void (*relu6)(size_t n, const float* x, float* y);
  void (*hardswish)(size_t n, const float* x, float* y);
  /// Copies n <= lanes values with load_n and store_n, and the lanes that load_n filled to rest[0..lanes - n).
  void (*copy_n)(size_t n, const float* x, float* y, float* rest);
  /// n <= lanes bytes to floats, to integers and back.
  void (*copy_u8)(size_t n, const unsigned char* x, float* as_float, unsigned char* y);
  /// Checks every other operation on fixed values; the name of the first that fails, or null.
  const char* (*first_failure)();
};

}  // namespace lemore::test
