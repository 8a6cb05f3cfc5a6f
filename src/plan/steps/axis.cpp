#include "kernels/ops/average_pool.h"
#include "kernels/ops/gate.h"
#include "plan/steps/steps.h"

// Pools, gates and fusion along the axes of a map.
namespace lemore::plan::steps {

void lower(Lowering& l, const Node& node, const graph::AxisMeans&) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  l.plan.step({node.name, "axis_means", y}, {x, y}, 1, 1, [=](const Runtime& r, const Share&) {
    // over the width: one window a row
    r.split(x.h, grain(std::uint64_t{x.w} * x.c), [&](const Share& share) {
      kernels::AveragePool k;
      k.cols = x.w;
      k.n = k.col_stride = x.c;
      for (std::size_t row = share.begin; row < share.end; ++row) {
        k.x = r.at(x) + row * x.w * x.c;
        k.y = r.at(y) + row * x.c;
        r.kernels->average_pool(k);
      }
    });
    // over the height: columns are independent runs
    r.split(x.w, grain(std::uint64_t{x.h} * x.c), [&](const Share& share) {
      kernels::AveragePool k;
      k.rows = x.h;
      k.n = share.count() * x.c;
      k.row_stride = x.w * x.c;
      k.x = r.at(x) + share.begin * x.c;
      k.y = r.at(y) + (x.h + share.begin) * x.c;
      r.kernels->average_pool(k);
    });
  });
}

void lower(Lowering& l, const Node& node, const graph::Gate&) {
  const Value x = l.at(node.inputs[0]), a_h = l.at(node.inputs[1]), a_w = l.at(node.inputs[2]);
  const Value skip = l.at(node.inputs[3]), y = l.at(node.output);
  l.plan.step({node.name, "gate", y}, {x, a_h, a_w, skip, y}, x.h, grain(std::uint64_t{x.w} * x.c),
              [=](const Runtime& r, const Share& share) {
                const std::size_t at = share.begin * x.w * x.c;
                kernels::Gate k;
                k.rows = share.count();
                k.w = x.w;
                k.c = x.c;
                k.x = r.at(x) + at;
                if (a_h) {
                  k.a_h_stride = a_h.h == 1 ? 0 : x.c;
                  k.a_h = r.at(a_h) + share.begin * k.a_h_stride;
                }
                if (a_w) k.a_w = r.at(a_w);
                if (skip) k.skip = r.at(skip) + at;
                k.y = r.at(y) + at;
                r.kernels->gate(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::AdaptiveAvgPool&) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  // PyTorch's windows: from floor(i * n / m) to ceil((i + 1) * n / m)
  l.plan.step({node.name, "adaptive_avg_pool", y}, {x, y}, y.pixels(), 1, [=](const Runtime& r, const Share& share) {
    for (std::size_t i = share.begin; i < share.end; ++i) {
      const std::size_t ty = i / y.w, tx = i % y.w;
      const std::size_t y0 = ty * x.h / y.h, y1 = ((ty + 1) * x.h + y.h - 1) / y.h;
      const std::size_t x0 = tx * x.w / y.w, x1 = ((tx + 1) * x.w + y.w - 1) / y.w;
      kernels::AveragePool k;
      k.rows = y1 - y0;
      k.cols = x1 - x0;
      k.n = k.col_stride = x.c;
      k.row_stride = x.w * x.c;
      k.x = r.at(x) + (y0 * x.w + x0) * x.c;
      k.y = r.at(y) + i * y.stride;
      r.kernels->average_pool(k);
    }
  });
}

void lower(Lowering& l, const Node& node, const graph::GatedFusion&) {
  const Value local = l.at(node.inputs[0]), gate = l.at(node.inputs[1]), globl = l.at(node.inputs[2]);
  const Value y = l.at(node.output);
  const Value taps_y = taps(l, gate.h, local.h), taps_x = taps(l, gate.w, local.w);
  l.plan.step({node.name, "gated_fusion", y}, {local, gate, globl, taps_y, taps_x, y}, local.h,
              grain(std::uint64_t{local.w} * local.c * 4), [=](const Runtime& r, const Share& share) {
                kernels::GatedFusion k;
                k.token_w = gate.w;
                k.c = local.c;
                k.out_w = local.w;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.taps_y = taps_at(r, taps_y);
                k.taps_x = taps_at(r, taps_x);
                k.local = r.at(local);
                k.gate = r.at(gate);
                k.globl = r.at(globl);
                k.y = r.at(y);
                r.kernels->gated_fusion(k);
              });
}

}  // namespace lemore::plan::steps
