#include <algorithm>

#include "plan/steps/row_ring.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

namespace {

// Pixels a product should have, so that its weights are read for more than a few.
constexpr std::size_t k_least_pixels = 48;

/// A scale of the head as a strip sees it.
struct HeadScale {
  Value local, gate, globl;
  Weights projection;         // of local
  Value token_y, token_x;     // taps from the tokens to the feature's size
  Value head_y, head_x;       // taps from there to the head's
  std::size_t ring_rows = 0;  // rows of the fused feature a worker keeps
  Value rings;                // of every worker
  bool same_size = false;     // as the head
  Value whole;                // the fused feature, where it is smaller than the head's sum

  std::size_t row_elements() const { return local.w * gate.c; }

  /// Rows of the fused feature, from `row`.
  void fuse(const Runtime& r, std::size_t row, std::size_t count, float* out) const {
    kernels::Gemm k = pointwise_gemm(projection, local.c, gate.c, Activation::none);
    k.m = count * local.w;
    k.lhs = r.at(local) + row * local.w * local.c;
    k.dst = out;
    r.kernels->gemm(k);
    kernels::GatedFusion f;
    f.token_w = gate.w;
    f.c = gate.c;
    f.out_w = local.w;
    f.row_end = count;
    f.taps_y = taps_at(r, token_y) + row;
    f.taps_x = taps_at(r, token_x);
    f.local = out;
    f.y = out;
    f.gate = r.at(gate);
    f.globl = r.at(globl);
    r.kernels->gated_fusion(f);
  }

  /// Adds row `row` of the head's size to `sum`, or begins it.
  void add(const Runtime& r, std::size_t row, std::size_t head_w, RowRing& ring, bool first, float* sum) const {
    kernels::ResizeTap tap = taps_at(r, head_y)[row];
    const float* x = ring.memory;
    if (whole) {
      x = r.at(whole);
    } else {
      ring.need(tap.lo, std::size_t{same_size ? tap.lo : tap.hi} + 1,
                [&](std::size_t at, std::size_t count, float* out) { fuse(r, at, count, out); });
      tap.lo %= static_cast<std::uint32_t>(ring.rows);
      tap.hi %= static_cast<std::uint32_t>(ring.rows);
    }
    if (same_size) return add_rows(r, x + tap.lo * row_elements(), row_elements(), first, sum);
    kernels::Resize k;
    k.w = local.w;
    k.c = gate.c;
    k.out_w = head_w;
    k.row_end = 1;
    k.taps_y = &tap;
    k.taps_x = taps_at(r, head_x);
    k.x = x;
    k.y = sum;
    k.accumulate = !first;
    r.kernels->resize(k);
  }
};

}  // namespace

void fusion_head(Lowering& l, const Node* nodes, std::size_t node_count) {
  const std::size_t count = (node_count - 3) / 2;  // scales: a pointwise layer and a gated fusion each
  const Node &fuse_node = nodes[node_count - 2], &classifier_node = nodes[node_count - 1];
  const std::size_t h = fuse_node.output.h, w = fuse_node.output.w, c = fuse_node.output.c;
  const Value y = l.at(classifier_node.output);
  const auto& fuse_layer = *fuse_node.as<graph::Pointwise>();
  const auto& classifier_layer = *classifier_node.as<graph::Pointwise>();
  const Weights fuse = weights_of(l, fuse_layer), classifier = weights_of(l, classifier_layer);
  const Activation activation = fuse_layer.activation;
  const std::size_t outputs = y.c;

  const std::size_t strip_rows = std::min(h, (k_least_pixels + w - 1) / w);
  const Value sums = l.plan.value(l.plan.workers(), strip_rows * w, c);
  const Value hidden = l.plan.value(l.plan.workers(), strip_rows * w, c);
  std::uint64_t macs = std::uint64_t{h} * w * c * (c + outputs);
  HeadScale parts[k_max_head_scales];
  for (std::size_t i = 0; i < count; ++i) {
    const Node &local_node = nodes[2 * i], &fusion_node = nodes[2 * i + 1];
    HeadScale& part = parts[i];
    part.local = l.at(local_node.inputs[0]);
    part.gate = l.at(fusion_node.inputs[1]);
    part.globl = l.at(fusion_node.inputs[2]);
    part.same_size = part.local.h == h && part.local.w == w;
    part.head_y = taps(l, part.local.h, h);
    part.head_x = taps(l, part.local.w, w);
    if (2 * part.local.pixels() <= h * w) {  // each of its rows is read for several of the sum's
      lower(l, local_node, *local_node.as<graph::Pointwise>());
      lower(l, fusion_node, graph::GatedFusion{});
      part.whole = l.at(fusion_node.output);
    } else {
      part.projection = weights_of(l, *local_node.as<graph::Pointwise>());
      part.token_y = taps(l, part.gate.h, part.local.h);
      part.token_x = taps(l, part.gate.w, part.local.w);
      part.ring_rows = part.same_size ? 1 : 2;
      part.rings = l.plan.value(l.plan.workers(), part.ring_rows * part.local.w, c);
      macs += std::uint64_t{part.local.pixels()} * part.local.c * c;
    }
  }

  l.plan.step(
      {fuse_node.name.substr(0, fuse_node.name.rfind('.')), "fusion_head", y, macs}, {y, sums, hidden}, h,
      grain(macs / h), [=](const Runtime& r, const Share& share) {
        float* sum = r.at(sums.rows(share.worker, 1));
        float* fused = r.at(hidden.rows(share.worker, 1));
        RowRing rings[k_max_head_scales];
        for (std::size_t i = 0; i < count; ++i)
          if (parts[i].ring_rows > 0)
            rings[i] = {r.at(parts[i].rings.rows(share.worker, 1)), parts[i].ring_rows, parts[i].row_elements()};
        for (std::size_t row = share.begin; row < share.end; row += strip_rows) {
          const std::size_t row_end = std::min(share.end, row + strip_rows);
          for (std::size_t at = row; at < row_end; ++at)
            for (std::size_t i = 0; i < count; ++i) parts[i].add(r, at, w, rings[i], i == 0, sum + (at - row) * w * c);

          kernels::Gemm k = pointwise_gemm(fuse, c, c, activation);
          k.m = (row_end - row) * w;
          k.lhs = sum;
          k.dst = fused;
          r.kernels->gemm(k);
          k = pointwise_gemm(classifier, c, outputs, Activation::none);
          k.m = (row_end - row) * w;
          k.lhs = fused;
          k.dst = r.at(y) + row * w * outputs;
          r.kernels->gemm(k);
        }
      });
  for (const HeadScale& p : parts)
    l.plan.touch({p.local, p.gate, p.globl, p.token_y, p.token_x, p.head_y, p.head_x, p.rings, p.whole});
}

}  // namespace lemore::plan::steps
