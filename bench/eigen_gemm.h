#pragma once

#include <cstddef>

#include "lemore/cpu.h"

namespace lemore::bench {

/// What Eigen is compiled for here.
#if defined(__x86_64__)
constexpr Isa k_eigen_isa = Isa::avx2;
#elif defined(__aarch64__)
constexpr Isa k_eigen_isa = Isa::neon;
#else
constexpr Isa k_eigen_isa = Isa::portable;
#endif

/// dst [m, n] = lhs [m, k] x rhs [k, n], all dense and row-major: Eigen's product, the baseline beside the gemm kernel,
/// without its epilogue. Requires a CPU that has k_eigen_isa.
void eigen_gemm(std::size_t m, std::size_t n, std::size_t k, const float* lhs, const float* rhs, float* dst);

}  // namespace lemore::bench
