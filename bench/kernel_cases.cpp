#include "bench/kernel_cases.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <memory>
#include <sstream>
#include <system_error>

#include "bench/values.h"
#include "core/resize_taps.h"
#include "kernels/ops/add.h"
#include "kernels/ops/average_pool.h"
#include "kernels/ops/conv.h"
#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "kernels/ops/gate.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/label_map.h"
#include "kernels/ops/nested_attention.h"
#include "kernels/ops/preprocess.h"
#include "kernels/ops/resize.h"

namespace lemore::bench {

using kernels::KernelTable;
using kernels::ResizeTap;

std::string KernelShape::text() const {
  std::string line = kernel;
  for (const auto& [name, number] : numbers)
    if (number != 0) line += " " + name + "=" + std::to_string(number);
  return line;
}

std::size_t KernelShape::operator[](std::string_view name) const {
  for (const auto& [key, number] : numbers)
    if (key == name) return number;
  return 0;
}

namespace {

using Numbers = std::vector<std::pair<std::string, std::size_t>>;

/// What a case's pointers point to.
class Memory {
 public:
  const float* in(std::size_t n, float low = -1.0f, float high = 1.0f) {
    floats_.push_back(values(n + k_slack, low, high));
    return floats_.back().data() + k_slack - reinterpret_cast<std::uintptr_t>(floats_.back().data()) % 64 / 4;
  }
  float* out(std::size_t n) { return const_cast<float*>(in(n)); }
  /// Null where the call has no such input.
  const float* in_if(std::size_t present, std::size_t n) { return present != 0 ? in(n) : nullptr; }
  std::uint8_t* bytes(std::size_t n) {
    bytes_.emplace_back(n);
    for (std::size_t i = 0; i < n; ++i) bytes_.back()[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
    return bytes_.back().data();
  }
  const ResizeTap* taps(std::size_t from, std::size_t to) {
    taps_.emplace_back(to);
    core::resize_taps(from, to, taps_.back().data());
    return taps_.back().data();
  }

 private:
  static constexpr std::size_t k_slack = 16;
  std::vector<std::vector<float>> floats_;
  std::vector<std::vector<std::uint8_t>> bytes_;
  std::vector<std::vector<ResizeTap>> taps_;
};

/// Rows (or columns) of the source between the first and the last of `n` taps.
std::size_t reach(const ResizeTap* taps, std::size_t begin, std::size_t end) {
  return end > begin ? taps[end - 1].hi + 1 - taps[begin].lo : 0;
}

struct Work {
  double flops = 0, bytes = 0;
};

double count(std::size_t a, std::size_t b = 1, std::size_t c = 1, std::size_t d = 1) {
  return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c) * static_cast<double>(d);
}

// One specialisation a kernel: its place in the table, the numbers of a call,
// and a call with such numbers. Rows are recorded without where they begin, so
// that shares and strips of one map are one shape.
template <typename Args>
struct Kernel;

template <>
struct Kernel<kernels::Gemm> {
  static constexpr const char* name = "gemm";
  static constexpr auto entry = &KernelTable::gemm;

  static Numbers numbers(const kernels::Gemm& a) {
    return {{"m", a.m},
            {"n", a.n},
            {"k", a.k},
            {"packed", a.rhs_padded},
            {"accumulate", a.accumulate},
            {"scale", a.scale != nullptr},
            {"bias", a.bias != nullptr},
            {"activation", static_cast<std::size_t>(a.activation)},
            {"residual", a.residual != nullptr}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Gemm& a) {
    const bool packed = s["packed"] != 0;
    a.m = s["m"];
    a.n = s["n"];
    a.k = s["k"];
    a.lhs = memory.in(a.m * a.k);
    a.lhs_stride = a.k;
    a.rhs = memory.in((a.n + 15) / 16 * 16 * a.k);
    a.rhs_k_stride = packed ? kernels::k_panel : a.n;
    a.rhs_panel_stride = packed ? kernels::k_panel * a.k : kernels::k_panel;
    a.rhs_padded = packed;
    a.dst = memory.out(a.m * a.n);
    a.dst_stride = a.residual_stride = a.n;
    a.accumulate = s["accumulate"] != 0;
    a.scale = s["scale"] != 0 ? memory.in(a.n, 0.1f, 0.9f) : nullptr;
    a.bias = memory.in_if(s["bias"], a.n);
    a.activation = static_cast<kernels::Activation>(s["activation"]);
    a.residual = memory.in_if(s["residual"], a.m * a.n);
    const std::size_t maps = 1 + s["accumulate"] + s["residual"];
    return {2 * count(a.m, a.n, a.k), 4 * (count(a.m, a.k) + count(a.k, a.n) + count(a.m, a.n, maps))};
  }
};

template <>
struct Kernel<kernels::Conv> {
  static constexpr const char* name = "conv";
  static constexpr auto entry = &KernelTable::conv;

  static Numbers numbers(const kernels::Conv& a) {
    return {{"h", a.h},
            {"w", a.w},
            {"c", a.c},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w},
            {"out_c", a.out_c},
            {"kh", a.kh},
            {"kw", a.kw},
            {"stride", a.stride},
            {"pad_top", a.pad_top},
            {"pad_left", a.pad_left},
            {"activation", static_cast<std::size_t>(a.activation)}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Conv& a) {
    a.h = s["h"];
    a.w = s["w"];
    a.c = s["c"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.out_c = a.y_stride = s["out_c"];
    a.kh = s["kh"];
    a.kw = s["kw"];
    a.stride = s["stride"];
    a.pad_top = s["pad_top"];
    a.pad_left = s["pad_left"];
    a.x_stride = a.w * a.c;
    const std::size_t k = a.kh * a.kw * a.c;
    a.x = memory.in(a.h * a.x_stride);
    a.weight = memory.in((a.out_c + 15) / 16 * 16 * k);
    a.bias = memory.in(a.out_c);
    a.activation = static_cast<kernels::Activation>(s["activation"]);
    a.y = memory.out(a.row_end * a.out_w * a.out_c);
    a.scratch = memory.out(kernels::conv_scratch(a.kh, a.kw, a.c));
    const double out = count(a.row_end, a.out_w, a.out_c);
    return {2 * count(k) * out, 4 * (count(a.h, a.x_stride) + count(k, a.out_c) + out)};
  }
};

template <>
struct Kernel<kernels::Conv3x3s2> {
  static constexpr const char* name = "conv3x3s2";
  static constexpr auto entry = &KernelTable::conv3x3s2;

  static Numbers numbers(const kernels::Conv3x3s2& a) {
    return {{"rows", a.row_end - a.row_begin}, {"out_w", a.out_w}, {"out_c", a.out_c}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Conv3x3s2& a) {
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.out_c = s["out_c"];
    a.x_stride = (2 * a.out_w + 2) * 3;
    a.x = memory.in((2 * a.row_end + 2) * a.x_stride);
    a.weight = memory.in((a.out_c + 15) / 16 * 27 * 16);
    a.bias = memory.in(a.out_c);
    a.y = memory.out(a.row_end * a.out_w * a.out_c);
    const double out = count(a.row_end, a.out_w, a.out_c);
    return {2 * 27 * out, 4 * (count(2 * a.row_end, a.x_stride) + out)};
  }
};

template <>
struct Kernel<kernels::DepthwiseConv> {
  static constexpr const char* name = "dwconv";
  static constexpr auto entry = &KernelTable::dwconv;

  static Numbers numbers(const kernels::DepthwiseConv& a) {
    return {{"h", a.h},
            {"w", a.w},
            {"c", a.c},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w},
            {"kh", a.kh},
            {"kw", a.kw},
            {"stride", a.stride},
            {"dilation", a.dilation},
            {"pad_top", a.pad_top},
            {"pad_left", a.pad_left},
            {"x_rows", a.x_rows},
            {"activation", static_cast<std::size_t>(a.activation)}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::DepthwiseConv& a) {
    a.h = s["h"];
    a.w = s["w"];
    a.c = s["c"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.kh = s["kh"];
    a.kw = s["kw"];
    a.stride = s["stride"];
    a.dilation = s["dilation"];
    a.pad_top = s["pad_top"];
    a.pad_left = s["pad_left"];
    a.x_rows = s["x_rows"];
    a.x = memory.in(a.x_rows * a.w * a.c);
    a.weight = memory.in(a.kh * a.kw * a.c);
    a.bias = memory.in(a.c);
    a.activation = static_cast<kernels::Activation>(s["activation"]);
    a.y = memory.out(a.row_end * a.out_w * a.c);
    const double out = count(a.row_end, a.out_w, a.c);
    const std::size_t rows_in = std::min(a.x_rows, a.row_end * a.stride + (a.kh - 1) * a.dilation);
    return {2 * count(a.kh, a.kw) * out, 4 * (count(rows_in, a.w, a.c) + out)};
  }
};

template <>
struct Kernel<kernels::AveragePool> {
  static constexpr const char* name = "average_pool";
  static constexpr auto entry = &KernelTable::average_pool;

  static Numbers numbers(const kernels::AveragePool& a) {
    return {{"rows", a.rows}, {"cols", a.cols}, {"n", a.n}, {"row_stride", a.row_stride}, {"col_stride", a.col_stride}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::AveragePool& a) {
    a.rows = s["rows"];
    a.cols = s["cols"];
    a.n = s["n"];
    a.row_stride = s["row_stride"];
    a.col_stride = s["col_stride"];
    a.x = memory.in((a.rows - 1) * a.row_stride + (a.cols - 1) * a.col_stride + a.n);
    a.y = memory.out(a.n);
    return {0, 4 * count(a.rows, a.cols, a.n)};
  }
};

template <>
struct Kernel<kernels::Gate> {
  static constexpr const char* name = "gate";
  static constexpr auto entry = &KernelTable::gate;

  static Numbers numbers(const kernels::Gate& a) {
    return {{"rows", a.rows},
            {"w", a.w},
            {"c", a.c},
            {"a_h", a.a_h != nullptr},
            {"a_h_stride", a.a_h_stride},
            {"a_w", a.a_w != nullptr},
            {"skip", a.skip != nullptr}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Gate& a) {
    a.rows = s["rows"];
    a.w = s["w"];
    a.c = s["c"];
    const std::size_t all = a.rows * a.w * a.c;
    a.x = memory.in(all);
    a.a_h = memory.in_if(s["a_h"], a.rows * a.c);
    a.a_h_stride = s["a_h_stride"];
    a.a_w = memory.in_if(s["a_w"], a.w * a.c);
    a.skip = memory.in_if(s["skip"], all);
    a.y = memory.out(all);
    return {0, 4 * count(all, 2 + s["skip"])};
  }
};

template <>
struct Kernel<kernels::ScaleBias> {
  static constexpr const char* name = "scale_bias";
  static constexpr auto entry = &KernelTable::scale_bias;

  static Numbers numbers(const kernels::ScaleBias& a) {
    return {{"pixels", a.pixels}, {"c", a.c}, {"activation", static_cast<std::size_t>(a.activation)}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::ScaleBias& a) {
    a.pixels = s["pixels"];
    a.c = s["c"];
    a.x = memory.in(a.pixels * a.c);
    a.scale = memory.in(a.c);
    a.bias = memory.in(a.c);
    a.activation = static_cast<kernels::Activation>(s["activation"]);
    a.y = memory.out(a.pixels * a.c);
    return {0, 8 * count(a.pixels, a.c)};
  }
};

template <>
struct Kernel<kernels::Add> {
  static constexpr const char* name = "add";
  static constexpr auto entry = &KernelTable::add;

  static Numbers numbers(const kernels::Add& a) { return {{"n", a.n}}; }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Add& a) {
    a.n = s["n"];
    a.a = memory.in(a.n);
    a.b = memory.in(a.n);
    a.y = memory.out(a.n);
    return {0, 12 * count(a.n)};
  }
};

template <>
struct Kernel<kernels::Resize> {
  static constexpr const char* name = "resize";
  static constexpr auto entry = &KernelTable::resize;

  static Numbers numbers(const kernels::Resize& a) {
    return {{"h", reach(a.taps_y, a.row_begin, a.row_end)},
            {"w", a.w},
            {"c", a.c},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w},
            {"accumulate", a.accumulate}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Resize& a) {
    a.w = s["w"];
    a.c = s["c"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.taps_y = memory.taps(s["h"], a.row_end);
    a.taps_x = memory.taps(a.w, a.out_w);
    a.x = memory.in(s["h"] * a.w * a.c);
    a.y = memory.out(a.row_end * a.out_w * a.c);
    a.accumulate = s["accumulate"] != 0;
    return {0, 4 * (count(s["h"], a.w, a.c) + count(a.row_end, a.out_w, a.c, 1 + s["accumulate"]))};
  }
};

template <>
struct Kernel<kernels::GatedFusion> {
  static constexpr const char* name = "gated_fusion";
  static constexpr auto entry = &KernelTable::gated_fusion;

  static Numbers numbers(const kernels::GatedFusion& a) {
    return {{"token_h", reach(a.taps_y, a.row_begin, a.row_end)},
            {"token_w", a.token_w},
            {"c", a.c},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::GatedFusion& a) {
    a.token_w = s["token_w"];
    a.c = s["c"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.taps_y = memory.taps(s["token_h"], a.row_end);
    a.taps_x = memory.taps(a.token_w, a.out_w);
    const std::size_t all = a.row_end * a.out_w * a.c, tokens = s["token_h"] * a.token_w * a.c;
    a.local = memory.in(all);
    a.gate = memory.in(tokens, 0.0f);
    a.globl = memory.in(tokens);
    a.y = memory.out(all);
    return {0, 8 * (count(all) + count(tokens))};
  }
};

template <>
struct Kernel<kernels::TransposeKeys> {
  static constexpr const char* name = "transpose_keys";
  static constexpr auto entry = &KernelTable::transpose_keys;

  static Numbers numbers(const kernels::TransposeKeys& a) {
    return {{"tokens", a.tokens}, {"key_dim", a.key_dim}, {"x_stride", a.x_stride}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::TransposeKeys& a) {
    a.tokens = s["tokens"];
    a.key_dim = s["key_dim"];
    a.x_stride = s["x_stride"];
    a.x = memory.in(a.tokens * a.x_stride);
    a.y_stride = (a.tokens + 15) / 16 * 16;
    a.y = memory.out(a.key_dim * a.y_stride);
    return {0, 8 * count(a.tokens, a.key_dim)};
  }
};

template <>
struct Kernel<kernels::NestedAttention> {
  static constexpr const char* name = "nested_attention";
  static constexpr auto entry = &KernelTable::nested_attention;

  static Numbers numbers(const kernels::NestedAttention& a) {
    return {{"tokens", a.tokens},
            {"key_dim", a.key_dim},
            {"value_dim", a.value_dim},
            {"branches", a.branches},
            {"rows", a.row_end - a.row_begin},
            {"activation", static_cast<std::size_t>(a.activation)}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::NestedAttention& a) {
    a.tokens = s["tokens"];
    a.key_dim = s["key_dim"];
    a.value_dim = s["value_dim"];
    a.branches = s["branches"];
    a.row_end = s["rows"];
    a.scale = 1.0f / std::sqrt(static_cast<float>(a.key_dim));
    a.q_branch_stride = a.key_dim;
    a.q_stride = a.branches * a.key_dim;
    a.q = memory.in(a.tokens * a.q_stride);
    a.keys_stride = (a.tokens + 15) / 16 * 16;
    a.keys_branch_stride = a.key_dim * a.keys_stride;
    a.keys = memory.in(a.branches * a.keys_branch_stride);
    a.v_stride = a.y_stride = a.value_dim;
    a.v = memory.in(a.tokens * a.value_dim);
    a.activation = static_cast<kernels::Activation>(s["activation"]);
    a.y = memory.out(a.tokens * a.value_dim);
    a.scratch = memory.out(kernels::nested_attention_scratch(a.tokens));
    const std::size_t products = a.branches * a.branches * a.key_dim + a.value_dim;
    return {2 * count(a.row_end, a.tokens, products),
            4 * count(a.tokens, 2 * a.branches * a.key_dim + 2 * a.value_dim)};
  }
};

template <>
struct Kernel<kernels::LabelMap> {
  static constexpr const char* name = "label_map";
  static constexpr auto entry = &KernelTable::label_map;

  static Numbers numbers(const kernels::LabelMap& a) {
    return {{"h", reach(a.taps_y, a.row_begin, a.row_end)},
            {"w", a.w},
            {"classes", a.classes},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::LabelMap& a) {
    a.w = s["w"];
    a.classes = s["classes"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.taps_y = memory.taps(s["h"], a.row_end);
    a.taps_x = memory.taps(a.w, a.out_w);
    const std::size_t logits = s["h"] * a.w * a.classes;
    float* x = memory.out(logits);
    // Of random logits half the classes can win in a cell, of smooth ones one
    // or two, as with a trained network.
    for (std::size_t at = 0; s["smooth"] != 0 && at < logits; ++at) {
      const float row = static_cast<float>(at / a.classes / a.w), column = static_cast<float>(at / a.classes % a.w);
      const float i = static_cast<float>(at % a.classes);
      x[at] = 4.0f * std::sin(0.13f * row + 1.7f * i) + 4.0f * std::cos(0.11f * column + 2.3f * i) + 0.1f * x[at];
    }
    a.logits = x;
    a.labels = memory.bytes(a.row_end * a.out_w);
    a.label_stride = a.out_w;
    return {0, 4 * count(logits) + count(a.row_end, a.out_w)};
  }
};

template <>
struct Kernel<kernels::Argmax> {
  static constexpr const char* name = "argmax";
  static constexpr auto entry = &KernelTable::argmax;

  static Numbers numbers(const kernels::Argmax& a) {
    return {{"pixels", a.pixels}, {"classes", a.classes}, {"confidence", a.confidence != nullptr}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Argmax& a) {
    a.pixels = s["pixels"];
    a.classes = s["classes"];
    a.x = memory.in(a.pixels * a.classes, -5.0f, 5.0f);
    a.labels = memory.bytes(a.pixels);
    a.confidence = s["confidence"] != 0 ? memory.out(a.pixels) : nullptr;
    return {0, 4 * count(a.pixels, a.classes)};
  }
};

template <>
struct Kernel<kernels::Preprocess> {
  static constexpr const char* name = "preprocess";
  static constexpr auto entry = &KernelTable::preprocess;

  static Numbers numbers(const kernels::Preprocess& a) {
    return {{"h", reach(a.taps_y, a.row_begin, a.row_end)},
            {"w", a.row_bytes / a.pixel_bytes},
            {"pixel_bytes", a.pixel_bytes},
            {"rows", a.row_end - a.row_begin},
            {"out_w", a.out_w},
            {"identity", a.identity}};
  }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Preprocess& a) {
    a.pixel_bytes = s["pixel_bytes"];
    a.row_end = s["rows"];
    a.out_w = s["out_w"];
    a.identity = s["identity"] != 0;
    a.row_bytes = s["w"] * a.pixel_bytes;
    a.pixels = memory.bytes(s["h"] * a.row_bytes);
    if (a.pixel_bytes < 3) a.channel[1] = a.channel[2] = 0;
    a.taps_y = memory.taps(s["h"], a.row_end);
    a.taps_x = memory.taps(s["w"], a.out_w);
    a.dst_stride = 3 * a.out_w;
    a.dst = memory.out(a.row_end * a.dst_stride);
    return {0, count(s["h"], a.row_bytes) + 4 * count(a.row_end, a.dst_stride)};
  }
};

template <>
struct Kernel<kernels::Interleave> {
  static constexpr const char* name = "interleave";
  static constexpr auto entry = &KernelTable::interleave;

  static Numbers numbers(const kernels::Interleave& a) { return {{"n", a.n}}; }
  static Work fill(const KernelShape& s, Memory& memory, kernels::Interleave& a) {
    a.n = s["n"];
    for (const float*& plane : a.x) plane = memory.in(a.n, -2.0f, 2.0f);
    a.y = memory.out(3 * a.n);
    return {0, 24 * count(a.n)};
  }
};

/// f(Kernel<Arguments>()) for each kernel there is.
template <typename Function>
void for_each_kernel(Function&& f) {
#define LEMORE_KERNEL(file, type, name, Arguments) f(Kernel<kernels::Arguments>());
#include "kernels/kernels.inc"
#undef LEMORE_KERNEL
}

// What recording kernels, plain functions, find their way by.
const KernelTable* g_real = nullptr;
std::function<void(const KernelShape&)> g_note;

template <typename Args>
void record(void (*KernelTable::*)(const Args&), KernelTable& table, Kernel<Args>) {
  table.*Kernel<Args>::entry = [](const Args& args) {
    g_note({Kernel<Args>::name, Kernel<Args>::numbers(args)});
    (g_real->*Kernel<Args>::entry)(args);
  };
}

template <typename Args>
KernelCase case_of(void (*KernelTable::*)(const Args&), const KernelShape& shape, Kernel<Args>) {
  auto memory = std::make_shared<Memory>();
  Args args;
  const Work work = Kernel<Args>::fill(shape, *memory, args);
  return {[memory, args](const KernelTable& table) { (table.*Kernel<Args>::entry)(args); }, work.flops, work.bytes};
}

/// The names that a line of this kernel has.
template <typename Args>
Numbers names_of(void (*KernelTable::*)(const Args&), Kernel<Args>) {
  return Kernel<Args>::numbers(Args());
}

}  // namespace

KernelCase make_case(const KernelShape& shape) {
  KernelCase result;
  for_each_kernel([&](auto kernel) {
    if (shape.kernel == kernel.name) result = case_of(kernel.entry, shape, kernel);
  });
  return result;
}

KernelTable recording_table(const KernelTable& real, std::function<void(const KernelShape&)> note) {
  g_real = &real;
  g_note = std::move(note);
  KernelTable table = real;
  for_each_kernel([&](auto kernel) { record(kernel.entry, table, kernel); });
  return table;
}

bool parse_shape(const std::string& line, KernelShape& shape, std::size_t& calls, std::string& error) {
  std::istringstream words(line);
  std::string word;
  shape = {};
  calls = 0;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      if (shape.kernel.empty()) {
        shape.kernel = word;
        continue;
      }
      error = "expected NAME=NUMBER, got '" + word + "'";
      return false;
    }
    std::size_t number = 0;
    const auto [end, failed] = std::from_chars(word.data() + equals + 1, word.data() + word.size(), number);
    if (failed != std::errc() || end != word.data() + word.size()) {
      error = "expected NAME=NUMBER, got '" + word + "'";
      return false;
    }
    if (word.compare(0, equals, "calls") == 0) {
      calls = number;
    } else {
      shape.numbers.emplace_back(word.substr(0, equals), number);
    }
  }
  bool is_known = false;
  for_each_kernel([&](auto kernel) {
    if (shape.kernel != kernel.name) return;
    is_known = true;
    const Numbers names = names_of(kernel.entry, kernel);
    for (const auto& number : shape.numbers) {
      bool is_one = false;
      for (const auto& name : names) is_one = is_one || name.first == number.first;
      if (!is_one) error = shape.kernel + ": unknown number '" + number.first + "'";
    }
  });
  if (!is_known) error = "expected a kernel, got '" + shape.kernel + "'";
  return error.empty();
}

}  // namespace lemore::bench
