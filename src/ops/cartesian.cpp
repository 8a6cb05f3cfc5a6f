#include <vector>

#include "core/resize_taps.h"
#include "kernels/ops/dwconv.h"
#include "kernels/ops/gate.h"
#include "kernels/ops/gemm.h"
#include "ops/row_ring.h"
#include "ops/step.h"
#include "ops/strips.h"

namespace lemore::ops {

using plan::Runtime;

namespace {

// An axis operator at size n: the weight itself, or resampled into memory of the session.
struct Operator {
  const float* trained = nullptr;
  Value resampled;

  const float* at(const Runtime& r) const { return trained != nullptr ? trained : r.at(resampled); }
};

Operator axis_operator(const Graph& g, const Name& name, std::size_t trained, std::size_t n) {
  const float* weight = g.tensor(name);
  if (trained == n || weight == nullptr) return {weight, {}};
  return {nullptr, g.plan.constant(n * n * sizeof(float), [=](void* out) {
            std::vector<double> scratch(n * (trained + 1));
            core::resample_operator(weight, trained, n, static_cast<float*>(out), scratch.data());
          })};
}

/// The three views of x [h, w, c] with their weights. The last one whose columns are channels applies norm and relu6 as
/// it stores.
struct ViewWeights {
  Value x;
  Views views;
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
    k.accumulate = views.frontal;
    if (!views.transverse) norm(k);
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
    k.accumulate = views.frontal || views.lateral;
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

ViewWeights view_weights(const Graph& g, const Name& name, const Value& x, const Views& views) {
  require(g, x.dense(), name, "needs a dense map");
  ViewWeights v;
  v.x = x;
  v.views = views;
  if (views.frontal) v.height = axis_operator(g, name("frontal.weight"), views.trained_h, x.h);
  if (views.lateral) v.width = axis_operator(g, name("lateral.weight"), views.trained_w, x.w);
  if (views.transverse) v.channels = g.tensor(name("transverse.weight"));
  v.affine = g.layer(name("norm"));
  return v;
}

void frontal_step(const Graph& g, const Name& name, const ViewWeights& v, const Value& y) {
  g.plan.step({name("frontal"), "project_height", y, v.frontal_macs()}, {v.x, y, v.height.resampled}, y.h,
              grain(y.w * y.c * y.h), [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                v.frontal(r, begin, end, r.at(y.rows(begin, 1)));
              });
}

}  // namespace

Value cartesian_views(const Graph& g, const Name& name, const Value& x, const Views& views) {
  const ViewWeights v = view_weights(g, name, x, views);
  const Value y = g.plan.value(x.h, x.w, x.c);
  if (views.frontal) frontal_step(g, name, v, y);
  if (views.lateral) {
    g.plan.step({name("lateral"), "project_width", y, v.lateral_macs()}, {x, y, v.width.resampled}, y.h,
                grain(y.w * y.c * y.w), [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                  for (std::size_t row = begin; row < end; ++row) v.lateral(r, row, r.at(y.rows(row, 1)));
                });
  }
  if (views.transverse) {
    g.plan.step({name("transverse"), "pointwise", y, v.transverse_macs()}, {x, y}, y.pixels(), grain(y.c * y.c),
                [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                  v.transverse(r, begin, end - begin, r.at(y) + begin * y.c);
                });
  } else if (!views.lateral) {
    g.plan.step({name("norm"), "scale_bias", y}, {y}, y.pixels(), grain(y.c),
                [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t) {
                  float* pixels = r.at(y) + begin * y.c;
                  v.norm_alone(r, end - begin, pixels, pixels);
                });
  }
  return y;
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

AxialPair axial_pair(const Graph& g, const Name& name, std::size_t first, const Value& x, std::size_t dilation) {
  return {x.h, x.w, x.c, dilation, g.layer(name("axial", first)), g.layer(name("axial", first + 1))};
}

}  // namespace

bool worth_cartesian_strips(const Graph& g, std::size_t h, std::size_t dilation) {
  // Shares compute the rows around their borders twice: at most a quarter more.
  return h / g.plan.workers() >= 8 * (dilation + 1);
}

Value cartesian_strips(const Graph& g, const Name& name, const Value& x, const Views& views, std::size_t dilation) {
  const ViewWeights v = view_weights(g, name, x, views);
  const Value height_sum = views.frontal ? g.plan.value(x.h, x.w, x.c) : Value{};
  if (views.frontal) frontal_step(g, name, v, height_sum);

  const AxialPair near = axial_pair(g, name, 0, x, 1), far = axial_pair(g, name, 2, x, dilation);
  const std::size_t workers = g.plan.workers(), view_rows = 3, near_rows = 2 * dilation + 1;
  const Value view_ring = g.plan.value(workers, view_rows * x.w, x.c);
  const Value near_ring = g.plan.value(workers, near_rows * x.w, x.c);
  const Value between = g.plan.value(workers, x.w, x.c);
  const Value y = g.plan.value(x.h, x.w, x.c);
  const std::uint64_t macs = (views.lateral ? v.lateral_macs() : 0) + (views.transverse ? v.transverse_macs() : 0) +
                             std::uint64_t{x.pixels()} * x.c * 12;

  const auto view_row = [=](const Runtime& r, std::size_t row, float* out) {
    const float* sum = views.frontal ? r.at(height_sum.rows(row, 1)) : nullptr;
    if (!views.lateral && !views.transverse) return v.norm_alone(r, x.w, sum, out);
    if (views.frontal) std::copy(sum, sum + v.row_elements(), out);
    if (views.lateral) v.lateral(r, row, out);
    if (views.transverse) v.transverse(r, row * x.w, x.w, out);
  };
  g.plan.step({name("axial"), "cartesian", y, macs},
              {x, height_sum, v.width.resampled, view_ring, near_ring, between, y}, x.h, 1,
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t worker) {
                RowRing seen{r.at(view_ring.rows(worker, 1)), view_rows, v.row_elements()};
                RowRing convolved{r.at(near_ring.rows(worker, 1)), near_rows, v.row_elements()};
                float* row_between = r.at(between.rows(worker, 1));
                const auto see = [&](std::size_t row, std::size_t count, float* out) {
                  for (std::size_t i = 0; i < count; ++i) view_row(r, row + i, out + i * v.row_elements());
                };
                const auto convolve = [&](std::size_t row, std::size_t count, float* out) {
                  for (std::size_t i = row; i < row + count; ++i, out += v.row_elements()) {
                    seen.need(i > 0 ? i - 1 : 0, std::min(x.h, i + 2), see);
                    near.run(r, seen, i, row_between, out);
                  }
                };
                for (std::size_t row = begin; row < end; ++row) {
                  convolved.need(row > dilation ? row - dilation : 0, std::min(x.h, row + dilation + 1), convolve);
                  far.run(r, convolved, row, row_between, r.at(y.rows(row, 1)));
                }
              });
  return y;
}

}  // namespace lemore::ops
