#pragma once

#include <stddef.h>
#include <stdint.h>

namespace lemore::kernels {

/// Sum of two maps: y[i] = a[i] + b[i] for i < n.
///
/// Shapes    a, b, y [n] dense.
/// Requires  y may be a or b; it overlaps them no other way.
/// Accuracy  one rounding.
struct Add {
  size_t n = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
};

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Add& a) {
  call.number("n", a.n);
  call.memory(a.a, a.n);
  call.memory(a.b, a.n);
  call.memory(a.y, a.n);
  call.work(0, 12 * uint64_t{a.n});
}

}  // namespace lemore::kernels
