#include <algorithm>

#include "plan/steps/steps.h"

// The end of an all-MLP head: maps of several sizes resized and added up, a pointwise layer added to that, an activation,
// and the classifier. The sum is the largest map of the network; a tile of it is finished while it is in the cache.
namespace lemore::plan::steps {

namespace {

// What a tile of the sum should take of a second-level cache of 512 KB, beside the weights.
constexpr std::size_t k_tile_bytes = 128 << 10;
// Pixels a product should have, so that its weights are read for more than a few.
constexpr std::size_t k_least_pixels = 48;

/// A map that is resized to the sum's size.
struct Part {
  Value x, taps_y, taps_x;
  bool same_size = false;

  /// Adds columns left..left + columns of row `row` to `sum`, or begins it.
  void add(const Runtime& r, std::size_t row, std::size_t left, std::size_t columns, bool first, float* sum) const {
    if (same_size) return add_rows(r, r.at(x) + (row * x.w + left) * x.c, columns * x.c, first, sum);
    kernels::Resize k;
    k.w = x.w;
    k.c = x.c;
    k.out_w = columns;
    k.row_end = 1;
    k.taps_y = taps_at(r, taps_y) + row;
    k.taps_x = taps_at(r, taps_x) + left;
    k.x = r.at(x);
    k.y = sum;
    k.accumulate = !first;
    r.kernels->resize(k);
  }
};

/// Columns of a tile: as even as they come, few enough for the cache, and whole tiles of the product's rows on most ISAs.
std::size_t tile_columns(std::size_t w, std::size_t c) {
  constexpr std::size_t k_step = 12;
  const std::size_t most = std::max(k_least_pixels, k_tile_bytes / (c * sizeof(float)));
  const std::size_t tiles = (w + most - 1) / most, even = (w + tiles - 1) / tiles;
  return std::min(w, (even + k_step - 1) / k_step * k_step);
}

}  // namespace

void resized_sum(Lowering& l, const Node* nodes, std::size_t node_count) {
  const Node &sum_node = nodes[0], &onto_node = nodes[1], &last = nodes[node_count - 1];
  const bool has_classifier = node_count == 3;
  const std::size_t h = sum_node.output.h, w = sum_node.output.w, c = sum_node.output.c;
  const std::size_t count = sum_node.inputs.size(), columns = tile_columns(w, c);
  Part parts[k_max_head_scales];
  for (std::size_t i = 0; i < count; ++i) {
    const Value x = l.at(sum_node.inputs[i]);
    parts[i].x = x;
    parts[i].same_size = x.h == h && x.w == w;
    if (parts[i].same_size) continue;
    parts[i].taps_y = taps(l, x.h, h);
    parts[i].taps_x = taps(l, x.w, w);
  }
  const Value x = l.at(onto_node.inputs[0]), y = l.at(last.output);
  const auto& onto_layer = *onto_node.as<graph::Pointwise>();
  const Weights onto = weights_of(l, onto_layer);
  Weights classifier;
  Activation classifier_activation = Activation::none;
  Value tiles;  // of every worker; without a classifier the sum is made where the result belongs
  std::uint64_t macs = std::uint64_t{h} * w * c * x.c;
  if (has_classifier) {
    const auto& layer = *last.as<graph::Pointwise>();
    classifier = weights_of(l, layer);
    classifier_activation = layer.activation;
    tiles = l.plan.value(l.plan.workers(), columns, c);
    macs += std::uint64_t{h} * w * c * layer.trained_out_c;
  }
  const Activation activation = onto_layer.activation;
  const std::string name = has_classifier ? onto_node.name.substr(0, onto_node.name.rfind('.')) : onto_node.name;
  l.plan.step({name, "resized_sum", y, macs}, {x, tiles, y}, h, grain(macs / h),
              [=](const Runtime& r, const Share& share) {
                for (std::size_t row = share.begin; row < share.end; ++row) {
                  for (std::size_t left = 0; left < w; left += columns) {
                    const std::size_t n = std::min(columns, w - left), at = row * w + left;
                    float* out = r.at(y) + at * y.c;
                    float* sum = has_classifier ? r.at(tiles.rows(share.worker, 1)) : out;
                    for (std::size_t i = 0; i < count; ++i) parts[i].add(r, row, left, n, i == 0, sum);

                    kernels::Gemm k = pointwise_gemm(onto, x.c, c, activation);
                    k.m = n;
                    k.lhs = r.at(x) + at * x.c;
                    k.dst = sum;
                    k.accumulate = true;
                    r.kernels->gemm(k);
                    if (!has_classifier) continue;
                    k = pointwise_gemm(classifier, c, y.c, classifier_activation);
                    k.m = n;
                    k.lhs = sum;
                    k.dst = out;
                    r.kernels->gemm(k);
                  }
                }
              });
  for (std::size_t i = 0; i < count; ++i) l.plan.touch({parts[i].x, parts[i].taps_y, parts[i].taps_x});
}

}  // namespace lemore::plan::steps
