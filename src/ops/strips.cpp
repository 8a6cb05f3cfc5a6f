#include "ops/strips.h"

#include <algorithm>

#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "kernels/ops/gemm.h"
#include "ops/row_ring.h"
#include "ops/step.h"

namespace lemore::ops {

using plan::Runtime;

namespace {

std::size_t ceil_div(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

// What a strip keeps should stay in a second-level cache of 512 KB beside the weights.
constexpr std::size_t k_strip_bytes = 128 << 10;
// Smaller expanded maps stay there without strips.
constexpr std::size_t k_worth_bytes = 640 << 10;
// Pixels a product should have, so that its weights are read for more than a few.
constexpr std::size_t k_least_pixels = 48;

/// How an inverted residual is cut: columns of the output in tiles, and the rows of a tile in strips.
struct Tiling {
  std::size_t tile_w;      ///< output columns of a tile; the last may have fewer
  std::size_t in_w;        ///< most input columns under a tile
  std::size_t strip_rows;  ///< output rows of a strip
  std::size_t ring_rows;   ///< input rows under a strip
};

Tiling tile(std::size_t out_w, std::size_t in_w, std::size_t c, const InvertedResidual& o) {
  Tiling t{};
  for (std::size_t tiles = 1;; ++tiles) {
    t.tile_w = ceil_div(out_w, tiles);
    t.in_w = std::min(in_w, (t.tile_w - 1) * o.stride + o.kernel);
    t.strip_rows = ceil_div(k_least_pixels, t.tile_w);
    t.ring_rows = (t.strip_rows - 1) * o.stride + o.kernel;
    const std::size_t bytes = (t.ring_rows * t.in_w + t.strip_rows * t.tile_w) * c * sizeof(float);
    if (bytes <= k_strip_bytes || t.tile_w <= k_least_pixels) return t;
  }
}

/// The layers of an inverted residual with their weights.
struct Block {
  InvertedResidual o;
  Value x, y;
  std::size_t expanded_c = 0;
  Weights expand_layer, depthwise_layer, project_layer;
  // where the stem is computed on the way
  bool has_stem = false;
  Weights stem_layer;
  Value image;
  // memory of every worker
  Value ring_rows, convolved_rows, stem_rows;

  /// `count` rows of the expanded map's columns left..left + columns, from `row`; `stem` is room for as many of the
  /// stem's.
  void expand(const Runtime& r, std::size_t row, std::size_t count, std::size_t left, std::size_t columns, float* stem,
              float* out) const {
    kernels::Gemm k;
    k.n = expanded_c;
    k.k = x.c;
    k.lhs_stride = x.c;
    k.rhs = expand_layer.weight;
    k.rhs_panel_stride = kernels::k_panel * x.c;
    k.dst = out;
    k.dst_stride = expanded_c;
    k.bias = expand_layer.bias;
    k.activation = Activation::relu6;
    if (has_stem) {
      kernels::Conv3x3s2 s;
      s.x_stride = image.w * 3;
      s.x = r.at(image) + 2 * row * s.x_stride + 2 * left * 3;
      s.out_w = columns;
      s.out_c = x.c;
      s.row_end = count;
      s.weight = stem_layer.weight;
      s.bias = stem_layer.bias;
      s.y = stem;
      r.kernels->conv3x3s2(s);
      k.m = count * columns;
      k.lhs = stem;
      r.kernels->gemm(k);
    } else if (columns == x.w) {
      k.m = count * columns;
      k.lhs = r.at(x) + row * x.w * x.c;
      r.kernels->gemm(k);
    } else {
      k.m = columns;
      for (std::size_t i = 0; i < count; ++i, k.dst += columns * expanded_c) {
        k.lhs = r.at(x) + ((row + i) * x.w + left) * x.c;
        r.kernels->gemm(k);
      }
    }
  }

  /// Output rows begin..end of columns tile_left..tile_left + tile_w, in the memory of `worker`.
  void run_tile(const Runtime& r, const Tiling& t, std::size_t begin, std::size_t end, std::size_t tile_left,
                std::size_t worker) const {
    const std::size_t pad = (o.kernel - 1) / 2, tile_w = std::min(t.tile_w, y.w - tile_left);
    const std::size_t first = tile_left * o.stride, left = first > pad ? first - pad : 0;
    const std::size_t columns = std::min(x.w, first + (tile_w - 1) * o.stride + o.kernel - pad) - left;

    RowRing ring{r.at(ring_rows.rows(worker, 1)), t.ring_rows, columns * expanded_c};
    float* convolved = r.at(convolved_rows.rows(worker, 1));
    float* stem_memory = has_stem ? r.at(stem_rows.rows(worker, 1)) : nullptr;

    kernels::DepthwiseConv d;
    d.h = x.h;
    d.w = columns;
    d.c = expanded_c;
    d.kh = d.kw = o.kernel;
    d.stride = o.stride;
    d.pad_top = pad;
    d.pad_left = pad - (first - left);
    d.out_w = tile_w;
    d.x = ring.memory;
    d.x_rows = ring.rows;
    d.weight = depthwise_layer.weight;
    d.bias = depthwise_layer.bias;
    d.activation = Activation::relu6;
    d.y = convolved;

    kernels::Gemm p;
    p.n = y.c;
    p.k = expanded_c;
    p.lhs_stride = expanded_c;
    p.rhs = project_layer.weight;
    p.rhs_panel_stride = kernels::k_panel * expanded_c;
    p.dst_stride = p.residual_stride = y.c;
    p.bias = project_layer.bias;

    for (std::size_t row = begin; row < end; row += t.strip_rows) {
      const std::size_t row_end = std::min(end, row + t.strip_rows);
      const std::size_t top = row * o.stride, under = (row_end - 1) * o.stride + o.kernel - pad;
      ring.need(top > pad ? top - pad : 0, std::min(x.h, under), [&](std::size_t at, std::size_t count, float* out) {
        expand(r, at, count, left, columns, stem_memory, out);
      });
      d.row_begin = row;
      d.row_end = row_end;
      r.kernels->dwconv(d);
      // rows of a tile that spans the map lie behind each other
      const bool whole_rows = tile_w == y.w;
      p.m = whole_rows ? (row_end - row) * tile_w : tile_w;
      for (std::size_t i = row; i < (whole_rows ? row + 1 : row_end); ++i) {
        const std::size_t at = (i * y.w + tile_left) * y.c;
        p.lhs = convolved + (i - row) * tile_w * expanded_c;
        p.dst = r.at(y) + at;
        p.residual = o.residual ? r.at(x) + at : nullptr;
        r.kernels->gemm(p);
      }
    }
  }
};

Value run_block(const Graph& g, const Name& name, Block block, std::uint64_t stem_macs) {
  const InvertedResidual& o = block.o;
  const Value x = block.x;
  block.expanded_c = x.c * o.expansion;
  const Value y = block.y;
  require(g, !o.residual || (o.stride == 1 && x.c == y.c), name, "the residual has another shape");
  block.expand_layer = g.layer(name("expand"));
  block.depthwise_layer = g.layer(name("depthwise"));
  block.project_layer = g.layer(name("project"));

  const std::size_t e = block.expanded_c;
  const Tiling t = tile(y.w, x.w, e, o);
  const std::size_t workers = g.plan.workers();
  block.ring_rows = g.plan.value(workers, t.ring_rows * t.in_w, e);
  block.convolved_rows = g.plan.value(workers, t.strip_rows * t.tile_w, e);
  if (block.has_stem) block.stem_rows = g.plan.value(workers, t.ring_rows * t.in_w, x.c);
  const std::uint64_t macs =
      stem_macs + std::uint64_t{x.pixels()} * x.c * e + std::uint64_t{y.pixels()} * e * (o.kernel * o.kernel + y.c);
  const std::size_t row_work = static_cast<std::size_t>(macs / y.h);
  g.plan.step({name, "inverted_residual", y, macs},
              {x, block.image, block.ring_rows, block.convolved_rows, block.stem_rows, y}, y.h, grain(row_work),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t worker) {
                for (std::size_t left = 0; left < y.w; left += t.tile_w) block.run_tile(r, t, begin, end, left, worker);
              });
  return y;
}

}  // namespace

bool worth_strips(std::size_t h, std::size_t w, std::size_t expanded_c) {
  return h * w * expanded_c * sizeof(float) > k_worth_bytes;
}

Value inverted_residual(const Graph& g, const Name& name, const Value& x, std::size_t out_c,
                        const InvertedResidual& o) {
  require(g, x.dense(), name, "needs a dense map");
  Block block{};
  block.o = o;
  block.x = x;
  block.y = g.plan.value(ceil_div(x.h, o.stride), ceil_div(x.w, o.stride), out_c);
  return run_block(g, name, block, 0);
}

Value inverted_residual(const Graph& g, const Name& name, const FusedStem& stem, std::size_t out_c,
                        const InvertedResidual& o) {
  Block block{};
  block.o = o;
  block.has_stem = true;
  block.stem_layer = g.layer(stem.name);
  block.image = stem.image;
  block.x.h = stem.h();
  block.x.w = stem.w();
  block.x.c = block.x.stride = stem.c;  // a map without a buffer
  block.y = g.plan.value(ceil_div(stem.h(), o.stride), ceil_div(stem.w(), o.stride), out_c);
  return run_block(g, name, block, std::uint64_t{block.x.pixels()} * stem.c * 27);
}

namespace {

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
    kernels::Gemm k;
    k.m = count * local.w;
    k.n = gate.c;
    k.k = local.c;
    k.lhs = r.at(local) + row * local.w * local.c;
    k.lhs_stride = local.c;
    k.rhs = projection.weight;
    k.rhs_panel_stride = kernels::k_panel * local.c;
    k.dst = out;
    k.dst_stride = gate.c;
    k.bias = projection.bias;
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
    if (whole.buffer >= 0) {
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

Value fusion_head(const Graph& g, const std::vector<FusionScale>& scales, std::size_t h, std::size_t w,
                  std::size_t outputs) {
  const std::size_t c = scales.front().gate.c;
  const Value y = g.plan.value(h, w, outputs);
  const Name name("head");
  const Weights fuse = g.layer(name("fuse")), classifier = g.layer(name("classifier"));

  const std::size_t strip_rows = std::min(h, ceil_div(k_least_pixels, w));
  const Value sums = g.plan.value(g.plan.workers(), strip_rows * w, c);
  const Value hidden = g.plan.value(g.plan.workers(), strip_rows * w, c);
  std::uint64_t macs = std::uint64_t{h} * w * c * (c + outputs);
  HeadScale parts[k_max_stages];
  const std::size_t count = scales.size();
  for (std::size_t i = 0; i < count; ++i) {
    const FusionScale& scale = scales[i];
    HeadScale& part = parts[i];
    part.local = scale.local;
    part.gate = scale.gate;
    part.globl = scale.globl;
    part.same_size = scale.local.h == h && scale.local.w == w;
    part.head_y = taps(g, scale.local.h, h);
    part.head_x = taps(g, scale.local.w, w);
    if (2 * scale.local.pixels() <= h * w) {  // each of its rows is read for several of the sum's
      const Value local = pointwise(g, scale.name("local"), scale.local, c);
      part.whole = gated_fusion(g, scale.name, local, scale.gate, scale.globl);
    } else {
      part.projection = g.layer(scale.name("local"));
      part.token_y = taps(g, scale.gate.h, scale.local.h);
      part.token_x = taps(g, scale.gate.w, scale.local.w);
      part.ring_rows = part.same_size ? 1 : 2;
      part.rings = g.plan.value(g.plan.workers(), part.ring_rows * part.local.w, c);
      macs += std::uint64_t{scale.local.pixels()} * scale.local.c * c;
    }
  }

  g.plan.step({name, "fusion_head", y, macs}, {y, sums, hidden}, h, grain(static_cast<std::size_t>(macs / h)),
              [=](const Runtime& r, std::size_t begin, std::size_t end, std::size_t worker) {
                float* sum = r.at(sums.rows(worker, 1));
                float* fused = r.at(hidden.rows(worker, 1));
                RowRing rings[k_max_stages];
                for (std::size_t i = 0; i < count; ++i)
                  if (parts[i].ring_rows > 0)
                    rings[i] = {r.at(parts[i].rings.rows(worker, 1)), parts[i].ring_rows, parts[i].row_elements()};
                for (std::size_t row = begin; row < end; row += strip_rows) {
                  const std::size_t row_end = std::min(end, row + strip_rows);
                  for (std::size_t at = row; at < row_end; ++at)
                    for (std::size_t i = 0; i < count; ++i)
                      parts[i].add(r, at, w, rings[i], i == 0, sum + (at - row) * w * c);

                  kernels::Gemm k;
                  k.m = (row_end - row) * w;
                  k.n = c;
                  k.k = c;
                  k.lhs = sum;
                  k.lhs_stride = c;
                  k.rhs = fuse.weight;
                  k.rhs_panel_stride = kernels::k_panel * c;
                  k.dst = fused;
                  k.dst_stride = c;
                  k.bias = fuse.bias;
                  k.activation = Activation::relu6;
                  r.kernels->gemm(k);
                  k.n = outputs;
                  k.lhs = fused;
                  k.rhs = classifier.weight;
                  k.dst = r.at(y) + row * w * outputs;
                  k.dst_stride = outputs;
                  k.bias = classifier.bias;
                  k.activation = Activation::none;
                  r.kernels->gemm(k);
                }
              });
  for (const HeadScale& p : parts)
    g.plan.touch({p.local, p.gate, p.globl, p.token_y, p.token_x, p.head_y, p.head_x, p.rings, p.whole});
  return y;
}

}  // namespace lemore::ops
