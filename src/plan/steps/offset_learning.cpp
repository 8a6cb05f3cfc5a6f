#include <algorithm>

#include "kernels/ops/softmax.h"
#include "plan/steps/steps.h"

// Offset learning with class vectors R [classes, c] and features E [pixels, c].
namespace lemore::plan::steps {

namespace {

std::size_t ceil_div(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

/// rows x columns of a row-major matrix, transposed.
void transpose(const float* x, std::size_t rows, std::size_t columns, std::size_t row_begin, std::size_t row_end,
               float* y) {
  for (std::size_t i = row_begin; i < row_end; ++i)
    for (std::size_t j = 0; j < columns; ++j) y[i * columns + j] = x[j * rows + i];
}

void softmax_rows(const Runtime& r, std::size_t rows, std::size_t columns, const float* x, float* y) {
  kernels::Softmax k;
  k.pixels = rows;
  k.c = columns;
  k.x = x;
  k.x_stride = columns;
  k.y = y;
  k.y_stride = columns;
  r.kernels->softmax(k);
}

/// lhs [.., k] times a plain row-major matrix [k, n].
kernels::Gemm plain_gemm(const float* rhs, std::size_t k, std::size_t n) {
  kernels::Gemm gemm;
  gemm.n = n;
  gemm.k = k;
  gemm.lhs_stride = k;
  gemm.rhs = rhs;
  gemm.rhs_k_stride = n;
  gemm.rhs_panel_stride = kernels::k_panel;
  gemm.rhs_padded = false;
  gemm.dst_stride = n;
  return gemm;
}

}  // namespace

void lower(Lowering& l, const Node& node, const graph::ClassAffinity& op) {
  const Value e = l.at(node.inputs[0]), y = l.at(node.output);
  const std::size_t classes = y.c, c = e.c;
  const float* vectors = l.weight(op.classes);
  // R as packed weights: it is read as plain rows too, so the file holds it plain.
  const Value packed =
      l.plan.constant(ceil_div(classes, kernels::k_panel) * c * kernels::k_panel * sizeof(float), [=](void* memory) {
        auto* out = static_cast<float*>(memory);
        std::fill(out, out + ceil_div(classes, kernels::k_panel) * c * kernels::k_panel, 0.0f);
        for (std::size_t j = 0; j < classes; ++j)
          for (std::size_t k = 0; k < c; ++k)
            out[(j / kernels::k_panel * c + k) * kernels::k_panel + j % kernels::k_panel] = vectors[j * c + k];
      });
  l.plan.step({node.name, "pointwise", y, std::uint64_t{e.pixels()} * classes * c}, {e, packed, y}, y.pixels(),
              grain(std::uint64_t{classes} * c), [=](const Runtime& r, const Share& share) {
                kernels::Gemm k = pointwise_gemm({r.at(packed), nullptr}, c, classes, Activation::none);
                k.m = share.count();
                k.lhs = r.at(e) + share.begin * c;
                k.dst = r.at(y) + share.begin * classes;
                r.kernels->gemm(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::ClassOffset& op) {
  const Value e = l.at(node.inputs[0]), affinity = l.at(node.inputs[1]), y = l.at(node.output);
  const std::size_t classes = affinity.c, c = e.c, pixels = e.pixels();
  const float *vectors = l.weight(op.classes), *projection = l.weight(op.projection);
  const Value weights = l.plan.value(classes, 1, pixels);  // a row a class: its softmax over the pixels
  const Value means = l.plan.value(classes, 1, c), moved = l.plan.value(classes, 1, c);
  const std::uint64_t macs = std::uint64_t{classes} * c * (pixels + c);
  // A class is one share's alone, so that its sums do not depend on the shares.
  l.plan.step({node.name, "class_offset", moved, macs}, {e, affinity, weights, means, moved}, classes,
              grain(std::uint64_t{pixels} * c), [=](const Runtime& r, const Share& share) {
                transpose(r.at(affinity), classes, pixels, share.begin, share.end, r.at(weights));
                float* rows = r.at(weights) + share.begin * pixels;
                softmax_rows(r, share.count(), pixels, rows, rows);
                kernels::Gemm k = plain_gemm(r.at(e), pixels, c);
                k.m = share.count();
                k.lhs = rows;
                k.dst = r.at(means) + share.begin * c;
                r.kernels->gemm(k);
                k = pointwise_gemm({projection, nullptr}, c, c, Activation::none);
                k.m = share.count();
                k.lhs = r.at(means) + share.begin * c;
                k.dst = r.at(moved) + share.begin * c;
                k.residual = vectors + share.begin * c;
                r.kernels->gemm(k);
              });
  l.plan.step({node.name + ".transpose", "transpose", y}, {moved, y}, c, 1, [=](const Runtime& r, const Share& share) {
    transpose(r.at(moved), c, classes, share.begin, share.end, r.at(y));
  });
}

void lower(Lowering& l, const Node& node, const graph::OffsetLogits& op) {
  const Value e = l.at(node.inputs[0]), affinity = l.at(node.inputs[1]), moved = l.at(node.inputs[2]);
  const Value y = l.at(node.output);
  const std::size_t classes = affinity.c, c = e.c;
  const float *vectors = l.weight(op.classes), *projection = l.weight(op.projection);
  // Offsets are never made for each pixel: G = R Wf^T R'^T, one row a class, does it.
  const Value offsets = l.plan.value(classes, 1, c), g = l.plan.value(classes, 1, classes);
  l.plan.step({node.name + ".offset", "feature_offset", g, std::uint64_t{classes} * c * (c + classes)},
              {moved, offsets, g}, classes, grain(std::uint64_t{c} * (c + classes)),
              [=](const Runtime& r, const Share& share) {
                kernels::Gemm k = pointwise_gemm({projection, nullptr}, c, c, Activation::none);
                k.m = share.count();
                k.lhs = vectors + share.begin * c;
                k.dst = r.at(offsets) + share.begin * c;
                r.kernels->gemm(k);
                k = plain_gemm(r.at(moved), c, classes);
                k.m = share.count();
                k.lhs = r.at(offsets) + share.begin * c;
                k.dst = r.at(g) + share.begin * classes;
                r.kernels->gemm(k);
              });
  const Value weights = l.plan.value(e.h, e.w, classes);  // each pixel's softmax over the classes
  l.plan.step({node.name, "offset_logits", y, std::uint64_t{e.pixels()} * classes * (c + classes)},
              {e, affinity, moved, g, weights, y}, e.pixels(), grain(std::uint64_t{classes} * (c + classes)),
              [=](const Runtime& r, const Share& share) {
                float* rows = r.at(weights) + share.begin * classes;
                softmax_rows(r, share.count(), classes, r.at(affinity) + share.begin * classes, rows);
                kernels::Gemm k = plain_gemm(r.at(moved), c, classes);
                k.m = share.count();
                k.lhs = r.at(e) + share.begin * c;
                k.dst = r.at(y) + share.begin * classes;
                r.kernels->gemm(k);
                k = plain_gemm(r.at(g), classes, classes);
                k.m = share.count();
                k.lhs = rows;
                k.dst = r.at(y) + share.begin * classes;
                k.accumulate = true;
                r.kernels->gemm(k);
              });
}

}  // namespace lemore::plan::steps
