#include <algorithm>

#include "core/resize_taps.h"
#include "kernels/ops/add.h"
#include "kernels/ops/average_pool.h"
#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

using kernels::ResizeTap;

namespace {

// Smallest share of rows worth a thread's start, in multiply-accumulates or elements.
constexpr std::uint64_t k_grain_work = 1 << 15;

}  // namespace

std::size_t grain(std::uint64_t work_per_row) {
  return static_cast<std::size_t>(std::max<std::uint64_t>(1, k_grain_work / (work_per_row + 1)));
}

Value taps(Lowering& l, std::size_t src, std::size_t dst) {
  return l.plan.constant(dst * sizeof(ResizeTap),
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

kernels::Gemm pointwise_gemm(const Weights& weights, std::size_t k, std::size_t n, Activation activation) {
  kernels::Gemm gemm;
  gemm.n = n;
  gemm.k = k;
  gemm.lhs_stride = k;
  gemm.rhs = weights.weight;
  gemm.rhs_panel_stride = kernels::k_panel * k;
  gemm.dst_stride = gemm.residual_stride = n;
  gemm.bias = weights.bias;
  gemm.activation = activation;
  return gemm;
}

void lower(Lowering& l, const Node& node, const graph::Conv3x3s2& op) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  const Weights weights = weights_of(l, op);
  const std::uint64_t row_work = std::uint64_t{y.w} * y.c * 27;
  l.plan.step({node.name, "conv3x3s2", y, row_work * y.h}, {x, y}, y.h, grain(row_work),
              [=](const Runtime& r, const Share& share) {
                kernels::Conv3x3s2 k;
                k.x = r.at(x);
                k.x_stride = x.w * 3;
                k.out_w = y.w;
                k.out_c = y.c;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.weight = weights.weight;
                k.bias = weights.bias;
                k.activation = Activation::relu6;
                k.y = r.at(y);
                r.kernels->conv3x3s2(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::Pointwise& op) {
  const Value x = l.at(node.inputs[0]), residual = l.at(node.inputs[1]), y = l.at(node.output);
  const Weights weights = weights_of(l, op);
  const Activation activation = op.activation;
  const bool accumulate = node.inputs.size() > 2;  // y is where the sum is
  const std::uint64_t macs = std::uint64_t{y.pixels()} * x.c * op.trained_out_c;
  l.plan.step({node.name, "pointwise", y, macs}, {x, y, residual}, y.pixels(), grain(std::uint64_t{x.c} * y.c),
              [=](const Runtime& r, const Share& share) {
                kernels::Gemm k = pointwise_gemm(weights, x.c, y.c, activation);
                k.m = share.count();
                k.lhs = r.at(x) + share.begin * x.stride;
                k.lhs_stride = x.stride;
                k.dst = r.at(y) + share.begin * y.stride;
                k.dst_stride = y.stride;
                k.accumulate = accumulate;
                if (residual) k.residual = r.at(residual) + share.begin * y.c;
                r.kernels->gemm(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::Depthwise& op) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  const Weights weights = weights_of(l, op);
  const std::uint64_t row_work = std::uint64_t{y.w} * y.c * op.kh * op.kw;
  l.plan.step({node.name, "dwconv", y, row_work * y.h}, {x, y}, y.h, grain(row_work),
              [=](const Runtime& r, const Share& share) {
                kernels::DepthwiseConv k;
                k.h = x.h;
                k.w = x.w;
                k.c = x.c;
                k.kh = op.kh;
                k.kw = op.kw;
                k.stride = op.stride;
                k.dilation = op.dilation;
                k.pad_top = op.dilation * (op.kh - 1) / 2;
                k.pad_left = op.dilation * (op.kw - 1) / 2;
                k.out_w = y.w;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.x = r.at(x);
                k.x_rows = x.h;
                k.weight = weights.weight;
                k.bias = weights.bias;
                k.activation = op.activation;
                k.y = r.at(y.rows(share.begin, share.count()));
                r.kernels->dwconv(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::GlobalMean&) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  l.plan.step({node.name, "global_mean", y}, {x, y}, 1, 1, [=](const Runtime& r, const Share&) {
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
}

namespace {

/// out (+)= x resized to the size of `out`.
void resize_into(Lowering& l, const std::string& name, const Value& x, const Value& out, bool first) {
  if (x.h == out.h && x.w == out.w) {
    l.plan.step({name, "add", out}, {x, out}, out.h, grain(std::uint64_t{out.w} * out.c),
                [=](const Runtime& r, const Share& share) {
                  add_rows(r, r.at(x.rows(share.begin, 1)), share.count() * out.w * out.c, first,
                           r.at(out.rows(share.begin, 1)));
                });
    return;
  }
  const Value taps_y = taps(l, x.h, out.h), taps_x = taps(l, x.w, out.w);
  l.plan.step({name, "resize", out}, {x, taps_y, taps_x, out}, out.h, grain(std::uint64_t{out.w} * out.c * 2),
              [=](const Runtime& r, const Share& share) {
                kernels::Resize k;
                k.w = x.w;
                k.c = x.c;
                k.out_w = out.w;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.taps_y = taps_at(r, taps_y);
                k.taps_x = taps_at(r, taps_x);
                k.x = r.at(x);
                k.y = r.at(out);
                k.accumulate = !first;
                r.kernels->resize(k);
              });
}

}  // namespace

void lower(Lowering& l, const Node& node, const graph::ResizeSum&) {
  const Value sum = l.at(node.output);
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    resize_into(l, Name(node.name.c_str(), i).text(), l.at(node.inputs[i]), sum, i == 0);
}

}  // namespace lemore::plan::steps
