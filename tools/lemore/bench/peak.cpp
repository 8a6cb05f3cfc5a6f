#include "bench/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "start_thread.h"

// Written over the compilers' vector types, so that the one text serves every ISA; each copy is compiled for its ISA by
// the function's target attribute. It shares nothing with the kernels that are measured against it.
#define LEMORE_INLINE inline __attribute__((always_inline))

namespace lemore::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr double k_seconds = 0.05;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

volatile float g_sink;           // takes the result, or the compiler would drop the work
volatile float g_factor = 0.5f;  // gives the input, or the compiler would compute it

// may_alias: floats are read through it.
typedef float Vector16 __attribute__((vector_size(16), may_alias));
typedef float Vector32 __attribute__((vector_size(32), may_alias));
typedef float Vector64 __attribute__((vector_size(64), may_alias));

// Latency of an FMA times FMAs a cycle is 8 on x86-64: 12 chains keep the units busy and fit 16 registers.
constexpr int k_chains = 12;
constexpr std::size_t k_turns = 4096;

template <typename Vector>
LEMORE_INLINE std::size_t fma_chains() {
  const Vector factor = Vector{} + g_factor, term = factor + 1.0f;
  Vector a = term, b = a + factor, c = b + factor, d = c + factor, e = d + factor, f = e + factor;
  Vector g = f + factor, h = g + factor, i = h + factor, j = i + factor, k = j + factor, l = k + factor;
  for (std::size_t turn = 0; turn < k_turns; ++turn) {
    a = a * factor + term;
    b = b * factor + term;
    c = c * factor + term;
    d = d * factor + term;
    e = e * factor + term;
    f = f * factor + term;
    g = g * factor + term;
    h = h * factor + term;
    i = i * factor + term;
    j = j * factor + term;
    k = k * factor + term;
    l = l * factor + term;
  }
  a += b + c + d + e + f + g + h + i + j + k + l;
  g_sink = a[0];
  return k_turns * k_chains * 2 * (sizeof(Vector) / sizeof(float));
}

template <typename Vector>
LEMORE_INLINE void read_all(const float* data, std::size_t n) {
  constexpr std::size_t lanes = sizeof(Vector) / sizeof(float);
  Vector a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{};
  for (std::size_t i = 0; i + 8 * lanes <= n; i += 8 * lanes) {
    const Vector* p = reinterpret_cast<const Vector*>(data + i);
    a += p[0];
    b += p[1];
    c += p[2];
    d += p[3];
    e += p[4];
    f += p[5];
    g += p[6];
    h += p[7];
  }
  a += b + c + d + e + f + g + h;
  g_sink = a[0];
}

struct Loops {
  std::size_t (*fma)();  ///< floating-point operations done
  void (*read)(const float* data, std::size_t n);
};

std::size_t fma_16() { return fma_chains<Vector16>(); }
void read_16(const float* data, std::size_t n) { read_all<Vector16>(data, n); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) std::size_t fma_32() { return fma_chains<Vector32>(); }
__attribute__((target("avx2,fma"))) void read_32(const float* data, std::size_t n) { read_all<Vector32>(data, n); }
__attribute__((target("avx512f"))) std::size_t fma_64() { return fma_chains<Vector64>(); }
__attribute__((target("avx512f"))) void read_64(const float* data, std::size_t n) { read_all<Vector64>(data, n); }
#endif

Loops loops_of(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx2) return {fma_32, read_32};
  if (isa == Isa::avx512) return {fma_64, read_64};
#endif
  static_cast<void>(isa);
  return {fma_16, read_16};
}

/// The best millisecond of this thread.
double best_flops(const Loops& loops) {
  double best = 0;
  const auto start = Clock::now();
  while (seconds_since(start) < k_seconds) {
    const auto turn = Clock::now();
    std::size_t operations = 0;
    double seconds = 0;
    while (seconds < 1e-3) {
      operations += loops.fma();
      seconds = seconds_since(turn);
    }
    best = std::max(best, static_cast<double>(operations) / seconds);
  }
  return best;
}

}  // namespace

double peak_flops(Isa isa, int threads) {
  const Loops loops = loops_of(isa);
  std::vector<double> best(static_cast<std::size_t>(threads));
  std::atomic<int> missing{threads};
  const auto measure = [&](std::size_t i) {
    missing.fetch_sub(1);
    while (missing.load() > 0) std::this_thread::yield();  // all at once, or a lone core's higher clock is measured
    best[i] = best_flops(loops);
  };
  std::vector<std::thread> others;
  others.reserve(best.size());
  for (std::size_t i = 1; i < best.size(); ++i) {
    if (start_thread(others, [&measure, i] { measure(i); })) continue;
    missing.fetch_sub(static_cast<int>(best.size() - i));  // those that start measure alone
    break;
  }
  measure(0);
  for (std::thread& thread : others) thread.join();
  double sum = 0;
  for (const double one : best) sum += one;
  return sum;
}

double read_bytes_per_second(Isa isa, std::size_t bytes) {
  struct Free {
    void operator()(void* p) const noexcept { ::operator delete (p, std::align_val_t{64}); }
  };
  constexpr std::size_t step = 512;  // bytes that one turn of the widest loop reads
  const std::size_t size = std::max(bytes / step * step, step);
  const std::unique_ptr<void, Free> memory(::operator new (size, std::align_val_t{64}, std::nothrow));
  if (memory == nullptr) return 0;
  std::memset(memory.get(), 0, size);
  const float* data = static_cast<const float*>(memory.get());
  const Loops loops = loops_of(isa);
  const std::size_t passes = std::max<std::size_t>(1, (std::size_t{1} << 20) / size);  // the clock is read rarely
  double best = 0;
  const auto start = Clock::now();
  do {
    const auto turn = Clock::now();
    for (std::size_t i = 0; i < passes; ++i) loops.read(data, size / sizeof(float));
    best = std::max(best, static_cast<double>(size * passes) / seconds_since(turn));
  } while (seconds_since(start) < k_seconds);
  return best;
}

}  // namespace lemore::cli
