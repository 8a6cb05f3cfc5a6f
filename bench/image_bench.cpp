// Kernels between the picture and the network and between the network and the label map, for every ISA this CPU has:
// image_bench --benchmark_repetitions=9 --benchmark_report_aggregates_only=true

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/values.h"
#include "core/resize_taps.h"
#include "cpu/kernel_table.h"

namespace lemore {
namespace {

using bench::values;
using benchmark::State;
using kernels::KernelTable;
using kernels::ResizeTap;

std::vector<ResizeTap> taps(std::size_t src, std::size_t dst) {
  std::vector<ResizeTap> result(dst);
  core::resize_taps(src, dst, result.data());
  return result;
}

/// Bytes that must move at least once: read or written.
void count_bytes(State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes));
}

/// Of random logits half the classes can win in a cell, of smooth ones one or two, as with a trained network.
void label_map(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t classes,
               std::size_t out_h, std::size_t out_w, bool smooth) {
  std::vector<float> logits = values(h * w * classes);
  if (smooth)
    for (std::size_t at = 0; at < logits.size(); ++at) {
      const float row = static_cast<float>(at / classes / w), column = static_cast<float>(at / classes % w);
      const float i = static_cast<float>(at % classes);
      logits[at] =
          4.0f * std::sin(0.13f * row + 1.7f * i) + 4.0f * std::cos(0.11f * column + 2.3f * i) + 0.1f * logits[at];
    }
  std::vector<std::uint8_t> labels(out_h * out_w);
  const auto taps_y = taps(h, out_h), taps_x = taps(w, out_w);
  for (auto _ : state) {
    table.label_map({w, classes, out_w, 0, out_h, taps_y.data(), taps_x.data(), logits.data(), labels.data(), out_w});
    benchmark::ClobberMemory();
  }
  count_bytes(state, logits.size() * sizeof(float) + labels.size());
}

void argmax(State& state, const KernelTable& table, std::size_t pixels, std::size_t classes, bool with_confidence) {
  const std::vector<float> x = values(pixels * classes, -5.0f, 5.0f);
  std::vector<std::uint8_t> labels(pixels);
  std::vector<float> confidence(pixels);
  for (auto _ : state) {
    table.argmax({pixels, classes, x.data(), labels.data(), with_confidence ? confidence.data() : nullptr});
    benchmark::ClobberMemory();
  }
  count_bytes(state, x.size() * sizeof(float));
}

void preprocess(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t pixel_bytes,
                std::size_t out_h, std::size_t out_w) {
  std::vector<std::uint8_t> pixels(h * w * pixel_bytes);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
  std::vector<float> dst(out_h * out_w * 3);
  const auto taps_y = taps(h, out_h), taps_x = taps(w, out_w);
  kernels::Preprocess a;
  a.out_w = out_w;
  a.row_end = out_h;
  a.pixels = pixels.data();
  a.row_bytes = w * pixel_bytes;
  a.pixel_bytes = pixel_bytes;
  a.identity = h == out_h && w == out_w;
  a.taps_y = taps_y.data();
  a.taps_x = taps_x.data();
  a.dst = dst.data();
  a.dst_stride = 3 * out_w;
  for (auto _ : state) {
    table.preprocess(a);
    benchmark::ClobberMemory();
  }
  count_bytes(state, dst.size() * (sizeof(float) + 1));
}

void resize(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t c, std::size_t out_h,
            std::size_t out_w) {
  const std::vector<float> x = values(h * w * c);
  std::vector<float> y(out_h * out_w * c);
  const auto taps_y = taps(h, out_h), taps_x = taps(w, out_w);
  for (auto _ : state) {
    table.resize({w, c, out_w, 0, out_h, taps_y.data(), taps_x.data(), x.data(), y.data(), false});
    benchmark::ClobberMemory();
  }
  count_bytes(state, (x.size() + y.size()) * sizeof(float));
}

void gated_fusion(State& state, const KernelTable& table, std::size_t tokens, std::size_t size, std::size_t c) {
  const std::vector<float> gate = values(tokens * tokens * c, 0.0f), globl = values(gate.size());
  std::vector<float> local = values(size * size * c);
  const auto t = taps(tokens, size);
  for (auto _ : state) {
    table.gated_fusion(
        {tokens, c, size, 0, size, t.data(), t.data(), local.data(), gate.data(), globl.data(), local.data()});
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * local.size() * sizeof(float));
}

void gate(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t c) {
  const std::vector<float> a_h = values(h * c, 0.0f), a_w = values(w * c, 0.0f), skip = values(h * w * c);
  std::vector<float> x = values(h * w * c);
  for (auto _ : state) {
    table.gate({h, w, c, x.data(), a_h.data(), c, a_w.data(), skip.data(), x.data()});
    benchmark::ClobberMemory();
  }
  count_bytes(state, 3 * x.size() * sizeof(float));
}

/// Over the width (a row at a time) and over the height of one map.
void means(State& state, const KernelTable& table, std::size_t h, std::size_t w, std::size_t c) {
  const std::vector<float> x = values(h * w * c);
  std::vector<float> over_w(h * c), over_h(w * c);
  for (auto _ : state) {
    for (std::size_t y = 0; y < h; ++y)
      table.window_mean({1, w, c, w * c, c, x.data() + y * w * c, over_w.data() + y * c});
    table.window_mean({h, 1, w * c, w * c, 0, x.data(), over_h.data()});
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * x.size() * sizeof(float));
}

template <class Bench, class... Args>
void add(const KernelTable& table, const std::string& name, Bench bench, Args... args) {
  benchmark::RegisterBenchmark((std::string(table.isa) + "/" + name).c_str(), [&table, bench, args...](State& state) {
    bench(state, table, args...);
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace lemore

int main(int argc, char** argv) {
  using namespace lemore;
  for (const Isa isa : supported_isas()) {
    const auto& table = kernel_table(isa);
    add(table, "label_map/64x64x150_512x512/random", label_map, 64, 64, 150, 512, 512, false);
    add(table, "label_map/64x64x150_512x512/smooth", label_map, 64, 64, 150, 512, 512, true);
    add(table, "label_map/48x64x11_360x480/smooth", label_map, 48, 64, 11, 360, 480, true);
    add(table, "label_map/64x64x150_50x50/random", label_map, 64, 64, 150, 50, 50, false);
    add(table, "argmax/65536x19", argmax, 65536, 19, false);
    add(table, "argmax/4096x150/confidence", argmax, 4096, 150, true);
    add(table, "preprocess/1920x1080x3_512x512", preprocess, 1080, 1920, 3, 512, 512);
    add(table, "preprocess/1920x1080x4_512x512", preprocess, 1080, 1920, 4, 512, 512);
    add(table, "preprocess/1920x1080x1_512x512", preprocess, 1080, 1920, 1, 512, 512);
    add(table, "preprocess/512x512x3/identity", preprocess, 512, 512, 3, 512, 512);
    add(table, "preprocess/512x512x4/identity", preprocess, 512, 512, 4, 512, 512);
    add(table, "resize/128x128x128_64x64", resize, 128, 128, 128, 64, 64);
    add(table, "resize/16x16x128_64x64", resize, 16, 16, 128, 64, 64);
    for (const std::size_t size : {128, 64, 32, 16})
      add(table, "gated_fusion/8x8x128_" + std::to_string(size), gated_fusion, 8, size, 128);
    add(table, "gate/128x128x16", gate, 128, 128, 16);
    add(table, "gate/32x32x80", gate, 32, 32, 80);
    add(table, "window_mean/128x128x16", means, 128, 128, 16);
    add(table, "window_mean/32x32x80", means, 32, 32, 80);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
