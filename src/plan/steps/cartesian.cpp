#include <vector>

#include "core/resize_taps.h"
#include "kernels/ops/dwconv.h"
#include "kernels/ops/gate.h"
#include "kernels/ops/gemm.h"
#include "plan/steps/row_ring.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

namespace {

// An axis operator at size n: the weight itself, or resampled into memory of the session.
struct Operator {
  const float* trained = nullptr;
  Value resampled;

  const float* at(const Runtime& r) const { return trained != nullptr ? trained : r.at(resampled); }
};

Operator axis_operator(Lowering& l, int index, std::size_t trained, std::size_t n) {
  const float* weight = l.weight(index);
  if (weight == nullptr || trained == n) return {weight, {}};
  return {nullptr, l.plan.constant(n * n * sizeof(float), [=](void* out) {
            std::vector<double> scratch(n * (trained + 1));
            core::resample_operator(weight, trained, n, static_cast<float*>(out), scratch.data());
          })};
}

/// The three views of x [h, w, c] with their weights. The last one whose columns are channels applies norm and relu6 as
/// it stores.
struct ViewWeights {
  Value x;
  bool has_frontal = false, has_lateral = false, has_transverse = false;
  Operator height, width;
  const float* channels = nullptr;
  Weights affine;  ///< of the norm

  std::size_t row_elements() const { return x.w * x.c; }

  /// y = [h, h'] x [h', w * c], rows begin..end.
  void frontal(const Runtime& r, std::size_t begin, std::size_t end, float* y) const {
    kernels::Gemm k;
    k.m = end - begin;
    k.n = row_elements();
    k.k = x.h;
    k.lhs = height.at(r) + begin * x.h;
    k.lhs_stride = x.h;
    k.rhs = r.at(x);
    k.rhs_k_stride = row_elements();
    k.rhs_panel_stride = kernels::k_panel;
    k.rhs_padded = false;
    k.dst = y;
    k.dst_stride = row_elements();
    r.kernels->gemm(k);
  }

  /// y (+)= [w, w'] x [w', c] for row `row`; y is that row.
  void lateral(const Runtime& r, std::size_t row, float* y) const {
    kernels::Gemm k;
    k.m = x.w;
    k.n = x.c;
    k.k = x.w;
    k.lhs = width.at(r);
    k.lhs_stride = x.w;
    k.rhs = r.at(x) + row * row_elements();
    k.rhs_k_stride = x.c;
    k.rhs_panel_stride = kernels::k_panel;
    k.rhs_padded = false;
    k.dst = y;
    k.dst_stride = x.c;
    k.accumulate = has_frontal;
    if (!has_transverse) norm(k);
    r.kernels->gemm(k);
  }

  /// y (+)= the channels of `pixels` pixels from `first`; y is the first.
  void transverse(const Runtime& r, std::size_t first, std::size_t pixels, float* y) const {
    kernels::Gemm k;
    k.m = pixels;
    k.n = x.c;
    k.k = x.c;
    k.lhs = r.at(x) + first * x.c;
    k.lhs_stride = x.c;
    k.rhs = channels;
    k.rhs_panel_stride = kernels::k_panel * x.c;
    k.dst = y;
    k.dst_stride = x.c;
    k.accumulate = has_frontal || has_lateral;
    norm(k);
    r.kernels->gemm(k);
  }

  /// The end where frontal, whose columns are not channels, is alone: y = relu6(norm(sum)).
  void norm_alone(const Runtime& r, std::size_t pixels, const float* sum, float* y) const {
    kernels::ScaleBias k;
    k.pixels = pixels;
    k.c = x.c;
    k.x = sum;
    k.scale = affine.weight;
    k.bias = affine.bias;
    k.activation = Activation::relu6;
    k.y = y;
    r.kernels->scale_bias(k);
  }

  std::uint64_t frontal_macs() const { return std::uint64_t{x.pixels()} * x.c * x.h; }
  std::uint64_t lateral_macs() const { return std::uint64_t{x.pixels()} * x.c * x.w; }
  std::uint64_t transverse_macs() const { return std::uint64_t{x.pixels()} * x.c * x.c; }

 private:
  void norm(kernels::Gemm& k) const {
    k.scale = affine.weight;
    k.bias = affine.bias;
    k.activation = Activation::relu6;
  }
};

ViewWeights view_weights(Lowering& l, const Node& node) {
  const auto& op = *node.as<graph::AxisProjections>();
  ViewWeights v;
  v.x = l.at(node.inputs[0]);
  v.has_frontal = op.frontal >= 0;
  v.has_lateral = op.lateral >= 0;
  v.has_transverse = op.transverse >= 0;
  v.height = axis_operator(l, op.frontal, op.trained_h, v.x.h);
  v.width = axis_operator(l, op.lateral, op.trained_w, v.x.w);
  v.channels = l.weight(op.transverse);
  v.affine = {l.weight(op.scale), l.weight(op.shift)};
  return v;
}

void frontal_step(Lowering& l, const Node& node, const ViewWeights& v, const Value& y) {
  l.plan.step({node.name + ".frontal", "project_height", y, v.frontal_macs()}, {v.x, y, v.height.resampled}, y.h,
              grain(std::uint64_t{y.w} * y.c * y.h), [=](const Runtime& r, const Share& share) {
                v.frontal(r, share.begin, share.end, r.at(y.rows(share.begin, 1)));
              });
}

}  // namespace

void lower(Lowering& l, const Node& node, const graph::AxisProjections&) {
  const ViewWeights v = view_weights(l, node);
  const Value x = v.x, y = l.at(node.output);
  if (v.has_frontal) frontal_step(l, node, v, y);
  if (v.has_lateral) {
    l.plan.step({node.name + ".lateral", "project_width", y, v.lateral_macs()}, {x, y, v.width.resampled}, y.h,
                grain(std::uint64_t{y.w} * y.c * y.w), [=](const Runtime& r, const Share& share) {
                  for (std::size_t row = share.begin; row < share.end; ++row) v.lateral(r, row, r.at(y.rows(row, 1)));
                });
  }
  if (v.has_transverse) {
    l.plan.step({node.name + ".transverse", "pointwise", y, v.transverse_macs()}, {x, y}, y.pixels(),
                grain(std::uint64_t{y.c} * y.c), [=](const Runtime& r, const Share& share) {
                  v.transverse(r, share.begin, share.count(), r.at(y) + share.begin * y.c);
                });
  } else if (!v.has_lateral) {
    l.plan.step({node.name + ".norm", "scale_bias", y}, {y}, y.pixels(), grain(y.c),
                [=](const Runtime& r, const Share& share) {
                  float* pixels = r.at(y) + share.begin * y.c;
                  v.norm_alone(r, share.count(), pixels, pixels);
                });
  }
}

namespace {

/// A pair of axial convolutions on one row: kh x 1 of rows in a ring, then 1 x kw (relu6) of what that gives.
struct AxialPair {
  std::size_t h, w, c, dilation;
  Weights down, across;

  void run(const Runtime& r, const RowRing& x, std::size_t row, float* between, float* y) const {
    kernels::DepthwiseConv d;
    d.h = h;
    d.w = d.out_w = w;
    d.c = c;
    d.kh = 3;
    d.kw = 1;
    d.dilation = dilation;
    d.pad_top = dilation;
    d.pad_left = 0;
    d.row_begin = row;
    d.row_end = row + 1;
    d.x = x.memory;
    d.x_rows = x.rows;
    d.weight = down.weight;
    d.bias = down.bias;
    d.y = between;
    r.kernels->dwconv(d);
    d.h = d.x_rows = 1;
    d.kh = 1;
    d.kw = 3;
    d.pad_top = 0;
    d.pad_left = dilation;
    d.row_begin = 0;
    d.row_end = 1;
    d.x = between;
    d.weight = across.weight;
    d.bias = across.bias;
    d.activation = Activation::relu6;
    d.y = y;
    r.kernels->dwconv(d);
  }
};

/// Of two depthwise nodes, the second after the first.
AxialPair axial_pair(const Lowering& l, const Node* nodes, const Value& x) {
  const auto &down = *nodes[0].as<graph::Depthwise>(), &across = *nodes[1].as<graph::Depthwise>();
  return {x.h, x.w, x.c, down.dilation, weights_of(l, down), weights_of(l, across)};
}

}  // namespace

void cartesian(Lowering& l, const Node* nodes) {
  const ViewWeights v = view_weights(l, nodes[0]);
  const Value x = v.x;
  const Value height_sum = v.has_frontal ? l.plan.value(x.h, x.w, x.c) : Value{};
  if (v.has_frontal) frontal_step(l, nodes[0], v, height_sum);

  const AxialPair near = axial_pair(l, nodes + 1, x), far = axial_pair(l, nodes + 3, x);
  const std::size_t dilation = far.dilation;
  const std::size_t workers = l.plan.workers(), view_rows = 3, near_rows = 2 * dilation + 1;
  const Value view_ring = l.plan.value(workers, view_rows * x.w, x.c);
  const Value near_ring = l.plan.value(workers, near_rows * x.w, x.c);
  const Value between = l.plan.value(workers, x.w, x.c);
  const Value y = l.at(nodes[4].output);
  const std::uint64_t macs = (v.has_lateral ? v.lateral_macs() : 0) + (v.has_transverse ? v.transverse_macs() : 0) +
                             std::uint64_t{x.pixels()} * x.c * 12;

  const auto view_row = [=](const Runtime& r, std::size_t row, float* out) {
    const float* sum = v.has_frontal ? r.at(height_sum.rows(row, 1)) : nullptr;
    if (!v.has_lateral && !v.has_transverse) return v.norm_alone(r, x.w, sum, out);
    if (v.has_frontal) std::copy(sum, sum + v.row_elements(), out);
    if (v.has_lateral) v.lateral(r, row, out);
    if (v.has_transverse) v.transverse(r, row * x.w, x.w, out);
  };
  l.plan.step({nodes[0].name + ".axial", "cartesian", y, macs},
              {x, height_sum, v.width.resampled, view_ring, near_ring, between, y}, x.h, 1,
              [=](const Runtime& r, const Share& share) {
                RowRing seen{r.at(view_ring.rows(share.worker, 1)), view_rows, v.row_elements()};
                RowRing convolved{r.at(near_ring.rows(share.worker, 1)), near_rows, v.row_elements()};
                float* row_between = r.at(between.rows(share.worker, 1));
                const auto see = [&](std::size_t row, std::size_t count, float* out) {
                  for (std::size_t i = 0; i < count; ++i) view_row(r, row + i, out + i * v.row_elements());
                };
                const auto convolve = [&](std::size_t row, std::size_t count, float* out) {
                  for (std::size_t i = row; i < row + count; ++i, out += v.row_elements()) {
                    seen.need(i > 0 ? i - 1 : 0, std::min(x.h, i + 2), see);
                    near.run(r, seen, i, row_between, out);
                  }
                };
                for (std::size_t row = share.begin; row < share.end; ++row) {
                  convolved.need(row > dilation ? row - dilation : 0, std::min(x.h, row + dilation + 1), convolve);
                  far.run(r, convolved, row, row_between, r.at(y.rows(row, 1)));
                }
              });
}

}  // namespace lemore::plan::steps
