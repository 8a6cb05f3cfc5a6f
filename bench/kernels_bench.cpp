// Every kernel on every ISA of this CPU, at the shapes that a network calls it with:
//   kernels_bench [SHAPES_FILE...] [--benchmark_filter=avx2/gemm ...]      default: bench/shapes/lemore-512x512.txt
// First the program measures what one core can do. Then: calls (in one run of the network); GB/s of what must move at
// least once, and of_read_peak, that over what the core reads from a buffer as large; GFLOP/s and of_fma_peak, that
// over the ISA's peak (both 0 for kernels that only move and compare). eigen/gemm is Eigen's product of the same size,
// without bias and activation. Rates are of CPU time.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bench/kernel_cases.h"
#include "bench/peak.h"
#include "bench/values.h"
#ifdef LEMORE_BENCH_EIGEN
#include "bench/eigen_gemm.h"
#endif
#include "cpu/kernel_table.h"

namespace lemore::bench {
namespace {

using benchmark::State;

/// What one core can do with one ISA.
struct Peaks {
  double flops = 0;
  std::vector<double> reads;  ///< bytes a second from a buffer of k_smallest << i bytes

  static constexpr std::size_t k_smallest = std::size_t{16} << 10, k_largest = std::size_t{256} << 20;

  /// Of a buffer as large: the caches that serve it are those that serve the kernel.
  double read(double bytes) const {
    std::size_t i = 0;
    while (i + 1 < reads.size() && bytes > static_cast<double>(k_smallest << i)) ++i;
    return reads[i];
  }
};

Peaks measure_peaks(Isa isa) {
  Peaks peaks;
  peaks.flops = cli::peak_flops(isa, 1);
  char text[64];
  std::snprintf(text, sizeof(text), "%.1f GFLOP/s; GB/s read:", peaks.flops / 1e9);
  std::string line = text;
  for (std::size_t bytes = Peaks::k_smallest; bytes <= Peaks::k_largest; bytes *= 2) {
    peaks.reads.push_back(cli::read_bytes_per_second(isa, bytes));
    std::snprintf(text, sizeof(text), " %.0f (%zu KiB)", peaks.reads.back() / 1e9, bytes >> 10);
    line += text;
  }
  benchmark::AddCustomContext(isa_name(isa), line);
  return peaks;
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Runs `call` as often as the benchmark wants, and counts.
template <typename Call>
void measure(State& state, const Call& call, std::uint64_t macs, std::uint64_t moved, const Peaks& peaks,
             std::size_t calls) {
  const double flops = 2 * static_cast<double>(macs), bytes = static_cast<double>(moved);
  const double start = cpu_seconds();
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double rate = static_cast<double>(state.iterations()) / (cpu_seconds() - start);
  state.counters["calls"] = static_cast<double>(calls);
  state.counters["GB/s"] = bytes * rate / 1e9;
  state.counters["of_read_peak"] = bytes * rate / peaks.read(bytes);
  state.counters["GFLOP/s"] = flops * rate / 1e9;
  state.counters["of_fma_peak"] = flops * rate / peaks.flops;
}

#ifdef LEMORE_BENCH_EIGEN
void add_eigen(const KernelShape& shape, std::size_t calls, const Peaks& peaks) {
  const std::size_t m = shape["m"], n = shape["n"], k = shape["k"];
  const std::string name = "m=" + std::to_string(m) + " n=" + std::to_string(n) + " k=" + std::to_string(k);
  benchmark::RegisterBenchmark(("eigen/gemm " + name).c_str(), [=](State& state) {
    const std::vector<float> lhs = values(m * k), rhs = values(k * n);
    std::vector<float> dst(m * n);
    const std::uint64_t maps = std::uint64_t{m} * k + std::uint64_t{k} * n + std::uint64_t{m} * n;
    measure(
        state, [&] { eigen_gemm(m, n, k, lhs.data(), rhs.data(), dst.data()); }, std::uint64_t{m} * n * k, 4 * maps,
        peaks, calls);
  })->Unit(benchmark::kMicrosecond);
}
#endif

void add(Isa isa, const KernelShape& shape, std::size_t calls, const Peaks& peaks) {
  const std::string name = isa_name(isa) + ("/" + shape.text());
  benchmark::RegisterBenchmark(name.c_str(), [=, &table = kernel_table(isa)](State& state) {
    const KernelCase work = make_case(shape);
    measure(
        state, [&] { work.run(table); }, work.macs, work.bytes, peaks, calls);
  })->Unit(benchmark::kMicrosecond);
}

/// Returns false, after a line on stderr, for a file that cannot be used.
bool add_file(const std::string& path, const std::vector<std::pair<Isa, Peaks>>& isas) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "kernels_bench: %s: cannot be read\n", path.c_str());
    return false;
  }
#ifdef LEMORE_BENCH_EIGEN
  std::set<std::array<std::size_t, 3>> products;
  const auto baseline =
      std::find_if(isas.begin(), isas.end(), [](const auto& isa) { return isa.first == k_eigen_isa; });
#endif
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    KernelShape shape;
    std::size_t calls = 0;
    std::string error;
    if (!parse_shape(line, shape, calls, error)) {
      std::fprintf(stderr, "kernels_bench: %s:%zu: %s\n", path.c_str(), number, error.c_str());
      return false;
    }
    for (const auto& [isa, peaks] : isas) {
      add(isa, shape, calls, peaks);
      if (shape.kernel == "label_map") {
        KernelShape smooth = shape;
        smooth.numbers.emplace_back("smooth", 1);
        add(isa, smooth, calls, peaks);
      }
    }
#ifdef LEMORE_BENCH_EIGEN
    const std::array<std::size_t, 3> product = {shape["m"], shape["n"], shape["k"]};
    if (baseline != isas.end() && shape.kernel == "gemm" && products.insert(product).second)
      add_eigen(shape, calls, baseline->second);
#endif
  }
  return true;
}

}  // namespace
}  // namespace lemore::bench

int main(int argc, char** argv) {
  using namespace lemore;
  benchmark::Initialize(&argc, argv);
  std::vector<std::pair<Isa, bench::Peaks>> isas;
  for (const Isa isa : supported_isas()) isas.emplace_back(isa, bench::measure_peaks(isa));
  std::vector<std::string> files(argv + 1, argv + argc);
  if (files.empty()) files = {LEMORE_BENCH_SHAPES "/lemore-512x512.txt"};
  for (const std::string& file : files) {
    if (!bench::add_file(file, isas)) return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
