#include <algorithm>

#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "plan/steps/row_ring.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

namespace {

std::size_t ceil_div(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

// What a strip keeps should stay in a second-level cache of 512 KB beside the weights. Narrower tiles compute more columns
// twice, and their products end in rows that are no whole tile.
constexpr std::size_t k_strip_bytes = 288 << 10;
// Pixels a product should have, so that its weights are read for more than a few.
constexpr std::size_t k_least_pixels = 48;

/// The depthwise convolution's kernel and stride.
struct Window {
  std::size_t kernel = 3, stride = 1;
};

/// How an inverted residual is cut: columns of the output in tiles, and the rows of a tile in strips.
struct Tiling {
  std::size_t tile_w;      ///< output columns of a tile; the last may have fewer
  std::size_t in_w;        ///< most input columns under a tile
  std::size_t strip_rows;  ///< output rows of a strip
  std::size_t ring_rows;   ///< input rows under a strip
};

Tiling tile(std::size_t out_w, std::size_t in_w, std::size_t c, const Window& o) {
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
  Window o;
  Value x, y;
  Value residual;  ///< added to y, or absent; MobileNet's block adds x, an MLP what its norm was taken of
  std::size_t expanded_c = 0;
  Weights expand_layer, depthwise_layer, project_layer;
  Activation expand_activation{}, depthwise_activation{}, project_activation{};
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
    kernels::Gemm k = pointwise_gemm(expand_layer, x.c, expanded_c, expand_activation);
    k.dst = out;
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
    d.activation = depthwise_activation;
    d.y = convolved;

    kernels::Gemm p = pointwise_gemm(project_layer, expanded_c, y.c, project_activation);

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
        p.residual = residual ? r.at(residual) + at : nullptr;
        r.kernels->gemm(p);
      }
    }
  }
};

}  // namespace

void inverted_residual(Lowering& l, const Node* stem, const Node* nodes) {
  const auto& expand = *nodes[0].as<graph::Pointwise>();
  const auto& depthwise = *nodes[1].as<graph::Depthwise>();
  const auto& project = *nodes[2].as<graph::Pointwise>();
  Block block{};
  block.o = {depthwise.kh, depthwise.stride};
  std::uint64_t macs = 0;
  if (stem != nullptr) {
    block.has_stem = true;
    block.stem_layer = weights_of(l, *stem->as<graph::Conv3x3s2>());
    block.image = l.at(stem->inputs[0]);
    block.x.h = stem->output.h;
    block.x.w = stem->output.w;
    block.x.c = block.x.stride = stem->output.c;  // a map without a buffer
    macs += std::uint64_t{block.x.pixels()} * block.x.c * 27;
  } else {
    block.x = l.at(nodes[0].inputs[0]);
  }
  const Value x = block.x, residual = block.residual = l.at(nodes[2].inputs[1]);
  const Value y = block.y = l.at(nodes[2].output);
  const std::size_t e = block.expanded_c = nodes[0].output.c;
  block.expand_layer = weights_of(l, expand);
  block.depthwise_layer = weights_of(l, depthwise);
  block.project_layer = weights_of(l, project);
  block.expand_activation = expand.activation;
  block.depthwise_activation = depthwise.activation;
  block.project_activation = project.activation;

  const Tiling t = tile(y.w, x.w, e, block.o);
  const std::size_t workers = l.plan.workers();
  block.ring_rows = l.plan.value(workers, t.ring_rows * t.in_w, e);
  block.convolved_rows = l.plan.value(workers, t.strip_rows * t.tile_w, e);
  if (block.has_stem) block.stem_rows = l.plan.value(workers, t.ring_rows * t.in_w, x.c);
  macs += std::uint64_t{x.pixels()} * x.c * e + std::uint64_t{y.pixels()} * e * (block.o.kernel * block.o.kernel + y.c);
  const std::string& last = nodes[2].name;  // "<block>.project"
  l.plan.step({last.substr(0, last.rfind('.')), "inverted_residual", y, macs},
              {x, residual, block.image, block.ring_rows, block.convolved_rows, block.stem_rows, y}, y.h,
              grain(macs / y.h), [=](const Runtime& r, const Share& share) {
                for (std::size_t left = 0; left < y.w; left += t.tile_w)
                  block.run_tile(r, t, share.begin, share.end, left, share.worker);
              });
}

}  // namespace lemore::plan::steps
