// The kernels that hold the network's multiplications, at the shapes of 512x512, for every ISA this CPU has. GFLOP/s in
// the column `flops` counts two operations a multiply-add: kernels_bench --benchmark_filter=avx2

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/values.h"
#include "cpu/kernel_table.h"

namespace lemore::bench {
namespace {

using benchmark::State;
using kernels::KernelTable;

void count_macs(State& state, std::size_t macs) {
  state.counters["flops"] = benchmark::Counter(
      2.0 * static_cast<double>(macs) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

/// A pointwise convolution of m pixels, k to n channels, with bias and relu6. Weights packed; or, as the axis
/// projections have it, a plain matrix with rows of n values.
void gemm(State& state, const KernelTable& table, std::size_t m, std::size_t k, std::size_t n, bool packed) {
  const std::vector<float> lhs = values(m * k), rhs = values((n + 15) / 16 * 16 * k), bias = values(n);
  std::vector<float> dst(m * n);
  kernels::Gemm g;
  g.m = m;
  g.n = n;
  g.k = k;
  g.lhs = lhs.data();
  g.lhs_stride = k;
  g.rhs = rhs.data();
  g.rhs_k_stride = packed ? kernels::k_panel : n;
  g.rhs_panel_stride = packed ? kernels::k_panel * k : kernels::k_panel;
  g.rhs_padded = packed;
  g.dst = dst.data();
  g.dst_stride = n;
  g.bias = bias.data();
  g.activation = kernels::Activation::relu6;
  for (auto _ : state) {
    table.gemm(g);
    benchmark::ClobberMemory();
  }
  count_macs(state, m * n * k);
}

void stem_conv(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t out_c) {
  const std::vector<float> x = values((h + 2) * (w + 2) * 3), weight = values((out_c + 15) / 16 * 27 * 16),
                           bias = values(out_c);
  std::vector<float> y(h / 2 * (w / 2) * out_c);
  kernels::StemConv args;
  args.x = x.data();
  args.x_stride = (w + 2) * 3;
  args.out_w = w / 2;
  args.out_c = out_c;
  args.row_end = h / 2;
  args.weight = weight.data();
  args.bias = bias.data();
  args.y = y.data();
  for (auto _ : state) {
    table.stem_conv(args);
    benchmark::ClobberMemory();
  }
  count_macs(state, y.size() * 27);
}

void dwconv(State& state, const KernelTable& table, std::size_t size, std::size_t c, std::size_t kh, std::size_t kw,
            std::size_t stride, std::size_t dilation) {
  const std::size_t out = (size + stride - 1) / stride;
  const std::vector<float> x = values(size * size * c), weight = values(kh * kw * c), bias = values(c);
  std::vector<float> y(out * out * c);
  kernels::DepthwiseConv args;
  args.h = args.w = size;
  args.c = c;
  args.kh = kh;
  args.kw = kw;
  args.stride = stride;
  args.dilation = dilation;
  args.pad_top = dilation * (kh - 1) / 2;
  args.pad_left = dilation * (kw - 1) / 2;
  args.out_w = out;
  args.row_end = out;
  args.x = x.data();
  args.x_rows = size;
  args.weight = weight.data();
  args.bias = bias.data();
  args.activation = kernels::Activation::relu6;
  args.y = y.data();
  for (auto _ : state) {
    table.dwconv(args);
    benchmark::ClobberMemory();
  }
  count_macs(state, y.size() * kh * kw);
}

void nested_attention(State& state, const KernelTable& table, std::size_t tokens) {
  const std::size_t branches = 3, key_dim = 48, value_dim = 64, padded = (tokens + 15) / 16 * 16;
  const std::vector<float> q = values(tokens * branches * key_dim), keys = values(branches * key_dim * padded),
                           v = values(tokens * value_dim);
  std::vector<float> y(tokens * value_dim), scratch(kernels::nested_attention_scratch(tokens));
  kernels::NestedAttention args;
  args.tokens = tokens;
  args.key_dim = key_dim;
  args.value_dim = value_dim;
  args.branches = branches;
  args.row_end = tokens;
  args.scale = 0.144f;
  args.q = q.data();
  args.q_stride = branches * key_dim;
  args.q_branch_stride = key_dim;
  args.keys = keys.data();
  args.keys_stride = padded;
  args.keys_branch_stride = key_dim * padded;
  args.v = v.data();
  args.v_stride = value_dim;
  args.y = y.data();
  args.y_stride = value_dim;
  args.scratch = scratch.data();
  for (auto _ : state) {
    table.nested_attention(args);
    benchmark::ClobberMemory();
  }
  count_macs(state, tokens * tokens * (branches * branches * key_dim + value_dim));
}

void add(const KernelTable& table) {
  const std::string isa = std::string("/") + table.isa;
  const auto bench = [&](const std::string& name, auto run) {
    benchmark::RegisterBenchmark((name + isa).c_str(), [=, &table](State& state) {
      run(state, table);
    })->Unit(benchmark::kMicrosecond);
  };
  struct Product {
    std::size_t m, k, n;
  };
  for (const Product p : {Product{4096, 16, 96},
                          {4096, 96, 16},
                          {4096, 96, 40},
                          {4096, 128, 128},
                          {4096, 128, 150},
                          {1024, 240, 80},
                          {1024, 80, 240},
                          {256, 480, 96},
                          {64, 232, 464},
                          {64, 464, 232}}) {
    bench("gemm " + std::to_string(p.m) + "x" + std::to_string(p.k) + "->" + std::to_string(p.n),
          [=](State& state, const KernelTable& t) { gemm(state, t, p.m, p.k, p.n, true); });
  }
  // Along the height A[h, h] times rows of w * c values; along the width B[w, w] times w rows of c values.
  for (const Product p : {Product{128, 128, 2048}, {64, 64, 2560}, {32, 32, 2560}, {128, 128, 16}, {64, 64, 40}}) {
    bench("axis " + std::to_string(p.m) + "x" + std::to_string(p.k) + "->" + std::to_string(p.n),
          [=](State& state, const KernelTable& t) { gemm(state, t, p.m, p.k, p.n, false); });
  }
  bench("stem 512x512->16", [](State& state, const KernelTable& t) { stem_conv(state, t, 512, 512, 16); });
  struct Depthwise {
    std::size_t size, c, kh, kw, stride, dilation;
  };
  for (const Depthwise d : {Depthwise{256, 96, 3, 3, 2, 1},
                            {64, 240, 3, 3, 2, 1},
                            {32, 240, 3, 3, 1, 1},
                            {16, 576, 5, 5, 1, 1},
                            {128, 16, 3, 1, 1, 1},
                            {128, 16, 1, 3, 1, 2}}) {
    bench("dwconv " + std::to_string(d.size) + "^2x" + std::to_string(d.c) + " " + std::to_string(d.kh) + "x" +
              std::to_string(d.kw) + " stride " + std::to_string(d.stride) + " dilation " + std::to_string(d.dilation),
          [=](State& state, const KernelTable& t) { dwconv(state, t, d.size, d.c, d.kh, d.kw, d.stride, d.dilation); });
  }
  bench("nested_attention 64", [](State& state, const KernelTable& t) { nested_attention(state, t, 64); });
}

}  // namespace
}  // namespace lemore::bench

int main(int argc, char** argv) {
  for (const lemore::Isa isa : lemore::supported_isas()) lemore::bench::add(lemore::kernel_table(isa));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
