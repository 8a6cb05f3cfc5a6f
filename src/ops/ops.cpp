#include "ops/ops.h"

#include <algorithm>
#include <cmath>

#include "core/resize_taps.h"
#include "core/text.h"
#include "kernels/ops/add.h"
#include "kernels/ops/average_pool.h"
#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "kernels/ops/gate.h"
#include "kernels/ops/gemm.h"
#include "kernels/ops/nested_attention.h"
#include "kernels/ops/resize.h"
#include "ops/step.h"

namespace lemore::ops {

using kernels::ResizeTap;
using plan::Runtime;

namespace {

// Smallest share of rows worth a thread's start, in multiply-accumulates or elements.
constexpr std::size_t k_grain_work = 1 << 15;

}  // namespace

std::size_t grain(std::size_t work_per_row) { return std::max<std::size_t>(1, k_grain_work / (work_per_row + 1)); }

void require(const Graph& g, bool condition, const Name& name, const char* what) {
  if (!condition) g.plan.fail(make_error(StatusCode::invalid_shape, {name.text(), ": ", what}));
}

Value taps(const Graph& g, std::size_t src, std::size_t dst) {
  return g.plan.constant(dst * sizeof(ResizeTap),
                         [src, dst](void* p) { core::resize_taps(src, dst, static_cast<ResizeTap*>(p)); });
}

const ResizeTap* taps_at(const Runtime& r, const Value& v) { return reinterpret_cast<const ResizeTap*>(r.at(v)); }

void add_rows(const Runtime& r, const float* x, std::size_t n, bool first, float* sum) {
  if (first) {
    std::copy(x, x + n, sum);
  } else {
    kernels::Add k;
    k.n = n;
    k.a = x;
    k.b = k.y = sum;
    r.kernels->add(k);
  }
}

const float* Graph::tensor(const Name& name) const {
  const std::string text = name.text();
  const float* data = weights.find_f32(text);
  if (data == nullptr) plan.fail(make_error(StatusCode::invalid_file, {"the weight file has no tensor '", text, "'"}));
  return data;
}

Weights Graph::layer(const Name& layer) const { return {tensor(layer("weight")), tensor(layer("bias"))}; }

Value image(const Graph& g, std::size_t h, std::size_t w) { return g.plan.value(h + 2, w + 2, 3); }

Value stem_conv(const Graph& g, const Name& name, const Value& x, std::size_t out_c) {
  const std::size_t h = x.h - 2, w = x.w - 2;
  const Value y = g.plan.value((h + 1) / 2, (w + 1) / 2, out_c);
  const Weights weights = g.layer(name);
  const std::size_t macs = y.pixels() * out_c * 27;
  g.plan.step({name, "conv3x3s2", y, macs}, {x, y}, y.h, grain(y.w * out_c * 27),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                kernels::Conv3x3s2 k;
                k.x = r.at(x);
                k.x_stride = x.w * 3;
                k.out_w = y.w;
                k.out_c = out_c;
                k.row_begin = begin;
                k.row_end = end;
                k.weight = weights.weight;
                k.bias = weights.bias;
                k.activation = Activation::relu6;
                k.y = r.at(y);
                r.kernels->conv3x3s2(k);
              });
  return y;
}

Value pointwise(const Graph& g, const Name& name, const Value& x, std::size_t out_c, const Pointwise& options) {
  const Value y = g.plan.value(x.h, x.w, out_c);
  const Value residual = options.residual;
  require(g, residual.buffer < 0 || (residual.dense() && residual.pixels() == y.pixels() && residual.c == out_c), name,
          "the residual has another shape");
  const Weights weights = g.layer(name);
  const Activation activation = options.activation;
  const std::uint64_t macs = options.macs != 0 ? options.macs : std::uint64_t{y.pixels()} * out_c * x.c;
  g.plan.step({name, "pointwise", y, macs}, {x, y, residual}, y.pixels(), grain(x.c * out_c),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                kernels::Gemm k;
                k.m = end - begin;
                k.n = out_c;
                k.k = x.c;
                k.lhs = r.at(x) + begin * x.stride;
                k.lhs_stride = x.stride;
                k.rhs = weights.weight;
                k.rhs_panel_stride = kernels::k_panel * x.c;
                k.dst = r.at(y) + begin * out_c;
                k.dst_stride = out_c;
                k.bias = weights.bias;
                k.activation = activation;
                if (residual.buffer >= 0) {
                  k.residual = r.at(residual) + begin * out_c;
                  k.residual_stride = out_c;
                }
                r.kernels->gemm(k);
              });
  return y;
}

Value depthwise(const Graph& g, const Name& name, const Value& x, const Depthwise& options) {
  require(g, x.dense(), name, "needs a dense map");
  const std::size_t stride = options.stride;
  const Value y = g.plan.value((x.h + stride - 1) / stride, (x.w + stride - 1) / stride, x.c);
  const Weights weights = g.layer(name);
  const std::size_t work = y.w * y.c * options.kh * options.kw;
  g.plan.step({name, "dwconv", y, std::uint64_t{work} * y.h}, {x, y}, y.h, grain(work),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                kernels::DepthwiseConv k;
                k.h = x.h;
                k.w = x.w;
                k.c = x.c;
                k.kh = options.kh;
                k.kw = options.kw;
                k.stride = options.stride;
                k.dilation = options.dilation;
                k.pad_top = options.dilation * (options.kh - 1) / 2;
                k.pad_left = options.dilation * (options.kw - 1) / 2;
                k.out_w = y.w;
                k.row_begin = begin;
                k.row_end = end;
                k.x = r.at(x);
                k.x_rows = x.h;
                k.weight = weights.weight;
                k.bias = weights.bias;
                k.activation = options.activation;
                k.y = r.at(y.rows(begin, end - begin));
                r.kernels->dwconv(k);
              });
  return y;
}

Value axis_means(const Graph& g, const Name& name, const Value& x) {
  require(g, x.dense(), name, "needs a dense map");
  const Value y = g.plan.value(x.h + x.w, 1, x.c);
  g.plan.step({name, "axis_means", y}, {x, y}, 1, 1, [=](const Runtime& r, std::size_t, std::size_t, std::size_t) {
    // over the width: one window a row
    r.split(x.h, grain(x.w * x.c), [&](std::size_t begin, std::size_t end, std::size_t) {
      kernels::AveragePool k;
      k.cols = x.w;
      k.n = k.col_stride = x.c;
      for (std::size_t row = begin; row < end; ++row) {
        k.x = r.at(x) + row * x.w * x.c;
        k.y = r.at(y) + row * x.c;
        r.kernels->average_pool(k);
      }
    });
    // over the height: columns are independent runs
    r.split(x.w, grain(x.h * x.c), [&](std::size_t begin, std::size_t end, std::size_t) {
      kernels::AveragePool k;
      k.rows = x.h;
      k.n = (end - begin) * x.c;
      k.row_stride = x.w * x.c;
      k.x = r.at(x) + begin * x.c;
      k.y = r.at(y) + (x.h + begin) * x.c;
      r.kernels->average_pool(k);
    });
  });
  return y;
}

Value global_mean(const Graph& g, const Name& name, const Value& x) {
  const Value y = g.plan.value(1, 1, x.c);
  g.plan.step({name, "global_mean", y}, {x, y}, 1, 1, [=](const Runtime& r, std::size_t, std::size_t, std::size_t) {
    kernels::AveragePool k;
    k.rows = x.h;
    k.cols = x.w;
    k.n = x.c;
    k.row_stride = x.w * x.stride;
    k.col_stride = x.stride;
    k.x = r.at(x);
    k.y = r.at(y);
    r.kernels->average_pool(k);
  });
  return y;
}

Value gate(const Graph& g, const Name& name, const Value& x, const Value& a_h, const Value& a_w, const Value& skip) {
  require(g, x.dense() && (skip.buffer < 0 || skip.dense()), name, "needs dense maps");
  const Value y = g.plan.value(x.h, x.w, x.c);
  g.plan.step({name, "gate", y}, {x, a_h, a_w, skip, y}, x.h, grain(x.w * x.c),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                const std::size_t at = begin * x.w * x.c;
                kernels::Gate k;
                k.rows = end - begin;
                k.w = x.w;
                k.c = x.c;
                k.x = r.at(x) + at;
                if (a_h.buffer >= 0) {
                  k.a_h_stride = a_h.h == 1 ? 0 : x.c;
                  k.a_h = r.at(a_h) + begin * k.a_h_stride;
                }
                if (a_w.buffer >= 0) k.a_w = r.at(a_w);
                if (skip.buffer >= 0) k.skip = r.at(skip) + at;
                k.y = r.at(y) + at;
                r.kernels->gate(k);
              });
  return y;
}

void adaptive_avg_pool(const Graph& g, const Name& name, const Value& x, const Value& out) {
  require(g, x.dense() && x.c == out.c, name, "needs a dense map of as many channels");
  // PyTorch's windows: from floor(i * n / m) to ceil((i + 1) * n / m)
  g.plan.step({name, "adaptive_avg_pool", out}, {x, out}, out.pixels(), 1,
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                for (std::size_t i = begin; i < end; ++i) {
                  const std::size_t ty = i / out.w, tx = i % out.w;
                  const std::size_t y0 = ty * x.h / out.h, y1 = ((ty + 1) * x.h + out.h - 1) / out.h;
                  const std::size_t x0 = tx * x.w / out.w, x1 = ((tx + 1) * x.w + out.w - 1) / out.w;
                  kernels::AveragePool k;
                  k.rows = y1 - y0;
                  k.cols = x1 - x0;
                  k.n = k.col_stride = x.c;
                  k.row_stride = x.w * x.c;
                  k.x = r.at(x) + (y0 * x.w + x0) * x.c;
                  k.y = r.at(out) + i * out.stride;
                  r.kernels->average_pool(k);
                }
              });
}

Value nested_attention(const Graph& g, const Name& name, const Value& qkv, const NestedAttention& o) {
  const std::size_t tokens = qkv.pixels();
  const std::size_t width = 2 * o.branches * o.key_dim + o.value_dim;
  require(g, qkv.dense() && qkv.c == width, name, "needs queries, keys and values side by side");
  require(g, o.key_dim % o.heads == 0 && o.value_dim % o.heads == 0, name, "heads must divide key_dim and value_dim");
  const std::size_t head_k = o.key_dim / o.heads, head_v = o.value_dim / o.heads;
  const std::size_t row = (tokens + kernels::k_panel - 1) / kernels::k_panel * kernels::k_panel;

  // keys of head t, branch j: a [head_k, row] matrix at (t * branches + j) * head_k * row
  const Value keys = g.plan.value(o.heads * o.branches, head_k, row);
  g.plan.step({name("keys"), "transpose", keys}, {qkv, keys}, o.heads * o.branches, 1,
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                for (std::size_t i = begin; i < end; ++i) {
                  const std::size_t t = i / o.branches, j = i % o.branches;
                  kernels::TransposeKeys k;
                  k.tokens = tokens;
                  k.key_dim = head_k;
                  k.x = r.at(qkv) + (o.branches + j) * o.key_dim + t * head_k;
                  k.x_stride = width;
                  k.y = r.at(keys) + i * head_k * row;
                  k.y_stride = row;
                  r.kernels->transpose_keys(k);
                }
              });

  const Value y = g.plan.value(qkv.h, qkv.w, o.value_dim);
  const std::size_t per_worker = kernels::nested_attention_scratch(tokens);
  const Value scratch = g.plan.value(g.plan.workers(), 1, per_worker);
  const std::size_t tiles = (tokens + kernels::k_attention_rows - 1) / kernels::k_attention_rows;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_k)));
  const std::uint64_t macs = std::uint64_t{tokens} * tokens * (o.branches * o.branches * o.key_dim + o.value_dim);
  g.plan.step({name("attention"), "nested_attention", y, macs, false}, {qkv, keys, scratch, y}, o.heads * tiles, 1,
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t worker) {
                for (std::size_t i = begin; i < end; ++i) {
                  const std::size_t t = i / tiles, tile = i % tiles;
                  kernels::NestedAttention k;
                  k.tokens = tokens;
                  k.key_dim = head_k;
                  k.value_dim = head_v;
                  k.branches = o.branches;
                  k.row_begin = tile * kernels::k_attention_rows;
                  k.row_end = std::min(tokens, k.row_begin + kernels::k_attention_rows);
                  k.scale = scale;
                  k.q = r.at(qkv) + t * head_k;
                  k.q_stride = width;
                  k.q_branch_stride = o.key_dim;
                  k.keys = r.at(keys) + t * o.branches * head_k * row;
                  k.keys_stride = row;
                  k.keys_branch_stride = head_k * row;
                  k.v = r.at(qkv) + 2 * o.branches * o.key_dim + t * head_v;
                  k.v_stride = width;
                  k.activation = o.activation;
                  k.y = r.at(y) + t * head_v;
                  k.y_stride = o.value_dim;
                  k.scratch = r.at(scratch) + worker * per_worker;
                  r.kernels->nested_attention(k);
                }
              });
  return y;
}

Value gated_fusion(const Graph& g, const Name& name, const Value& local, const Value& gate, const Value& globl) {
  require(g, local.dense() && gate.dense() && globl.dense() && local.c == gate.c && local.c == globl.c, name,
          "needs dense maps of as many channels");
  const Value y = g.plan.value(local.h, local.w, local.c);
  const Value taps_y = taps(g, gate.h, local.h), taps_x = taps(g, gate.w, local.w);
  g.plan.step({name, "gated_fusion", y}, {local, gate, globl, taps_y, taps_x, y}, local.h, grain(local.w * local.c * 4),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                kernels::GatedFusion k;
                k.token_w = gate.w;
                k.c = local.c;
                k.out_w = local.w;
                k.row_begin = begin;
                k.row_end = end;
                k.taps_y = taps_at(r, taps_y);
                k.taps_x = taps_at(r, taps_x);
                k.local = r.at(local);
                k.gate = r.at(gate);
                k.globl = r.at(globl);
                k.y = r.at(y);
                r.kernels->gated_fusion(k);
              });
  return y;
}

void resize_into(const Graph& g, const Name& name, const Value& x, const Value& out, bool accumulate) {
  require(g, x.dense() && out.dense() && x.c == out.c, name, "needs dense maps of as many channels");
  if (x.h == out.h && x.w == out.w) {
    g.plan.step({name, "add", out}, {x, out}, out.h, grain(out.w * out.c),
                [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                  add_rows(r, r.at(x.rows(begin, 1)), (end - begin) * out.w * out.c, !accumulate,
                           r.at(out.rows(begin, 1)));
                });
    return;
  }
  const Value taps_y = taps(g, x.h, out.h), taps_x = taps(g, x.w, out.w);
  g.plan.step({name, "resize", out}, {x, taps_y, taps_x, out}, out.h, grain(out.w * out.c * 2),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                kernels::Resize k;
                k.w = x.w;
                k.c = x.c;
                k.out_w = out.w;
                k.row_begin = begin;
                k.row_end = end;
                k.taps_y = taps_at(r, taps_y);
                k.taps_x = taps_at(r, taps_x);
                k.x = r.at(x);
                k.y = r.at(out);
                k.accumulate = accumulate;
                r.kernels->resize(k);
              });
}

}  // namespace lemore::ops
