#include <algorithm>

#include "kernels/ops/attention.h"
#include "kernels/ops/conv.h"
#include "kernels/ops/layer_norm.h"
#include "kernels/ops/max_pool.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

namespace {

std::size_t ceil_div(std::size_t n, std::size_t d) { return (n + d - 1) / d; }
std::size_t round_up(std::size_t n, std::size_t d) { return ceil_div(n, d) * d; }

}  // namespace

void lower(Lowering& l, const Node& node, const graph::Conv& op) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  const Weights weights = weights_of(l, op);
  const std::size_t per_worker = round_up(kernels::conv_scratch(op.kernel, op.kernel, x.c), 16);
  const Value scratch = l.plan.value(l.plan.workers(), 1, per_worker);
  const std::uint64_t row_work = std::uint64_t{y.w} * y.c * op.kernel * op.kernel * x.c;
  l.plan.step({node.name, "conv", y, row_work * y.h}, {x, y, scratch}, y.h, grain(row_work),
              [=](const Runtime& r, const Share& share) {
                kernels::Conv k;
                k.h = x.h;
                k.w = x.w;
                k.c = x.c;
                k.kh = k.kw = op.kernel;
                k.stride = op.stride;
                k.pad_top = k.pad_left = op.pad;
                k.out_w = y.w;
                k.out_c = y.c;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.x = r.at(x);
                k.x_stride = x.w * x.c;
                k.weight = weights.weight;
                k.bias = weights.bias;
                k.y = r.at(y.rows(share.begin, share.count()));
                k.y_stride = y.stride;
                k.scratch = r.at(scratch) + share.worker * per_worker;
                r.kernels->conv(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::LayerNorm& op) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  const float *scale = l.weight(op.scale), *shift = l.weight(op.shift);
  const float eps = op.eps;
  l.plan.step({node.name, "layer_norm", y}, {x, y}, y.pixels(), grain(std::uint64_t{x.c} * 4),
              [=](const Runtime& r, const Share& share) {
                kernels::LayerNorm k;
                k.pixels = share.count();
                k.c = x.c;
                k.x = r.at(x) + share.begin * x.stride;
                k.x_stride = x.stride;
                k.scale = scale;
                k.shift = shift;
                k.eps = eps;
                k.y = r.at(y) + share.begin * y.stride;
                k.y_stride = y.stride;
                r.kernels->layer_norm(k);
              });
}

void lower(Lowering& l, const Node& node, const graph::Attention& op) {
  const Value q = l.at(node.inputs[0]), kv = l.at(node.inputs[1]);
  const std::size_t heads = op.heads, queries = q.pixels(), keys = kv.pixels(), dim = q.c / heads;
  // Each head's keys and values in the order that the kernel reads them.
  constexpr std::size_t k_packed_keys = 256;  // a multiple of 16
  const std::size_t per_head = round_up(kernels::packed_keys_size(keys, dim, dim), 16);
  const Value packed = l.plan.value(heads, 1, per_head);
  const std::size_t blocks = ceil_div(keys, k_packed_keys);
  l.plan.step({node.name + ".keys", "pack_keys", packed}, {kv, packed}, heads * blocks, 1,
              [=](const Runtime& r, const Share& share) {
                for (std::size_t i = share.begin; i < share.end; ++i) {
                  const std::size_t head = i / blocks;
                  kernels::PackKeys k;
                  k.keys = keys;
                  k.dim = k.value_dim = dim;
                  k.key_begin = i % blocks * k_packed_keys;
                  k.key_end = std::min(keys, k.key_begin + k_packed_keys);
                  k.k = r.at(kv) + head * dim;
                  k.v = k.k + q.c;
                  k.k_stride = k.v_stride = kv.stride;
                  k.packed = r.at(packed) + head * per_head;
                  r.kernels->pack_keys(k);
                }
              });

  const Value y = l.at(node.output);
  constexpr std::size_t per_worker = kernels::attention_scratch();
  const Value scratch = l.plan.value(l.plan.workers(), 1, per_worker);
  const std::size_t tiles = ceil_div(queries, kernels::k_attention_tile_rows);
  const std::uint64_t macs = std::uint64_t{queries} * keys * 2 * q.c;
  l.plan.step({node.name, "attention", y, macs}, {q, packed, scratch, y}, heads * tiles, 1,
              [=](const Runtime& r, const Share& share) {
                for (std::size_t i = share.begin; i < share.end;) {
                  const std::size_t head = i / tiles, tile = i % tiles;
                  const std::size_t count = std::min(share.end - i, tiles - tile);  // tiles of this head
                  const std::size_t begin = tile * kernels::k_attention_tile_rows;
                  kernels::Attention k;
                  k.queries = std::min(queries, begin + count * kernels::k_attention_tile_rows) - begin;
                  k.keys = keys;
                  k.dim = k.value_dim = dim;
                  k.q = r.at(q) + begin * q.stride + head * dim;
                  k.q_stride = q.stride;
                  k.packed = r.at(packed) + head * per_head;
                  k.y = r.at(y) + begin * y.stride + head * dim;
                  k.y_stride = y.stride;
                  k.scratch = r.at(scratch) + share.worker * per_worker;
                  r.kernels->attention(k);
                  i += count;
                }
              });
}

void lower(Lowering& l, const Node& node, const graph::MaxPool& op) {
  const Value x = l.at(node.inputs[0]), y = l.at(node.output);
  l.plan.step({node.name, "max_pool", y}, {x, y}, y.h, grain(std::uint64_t{y.w} * y.c * op.kernel * op.kernel),
              [=](const Runtime& r, const Share& share) {
                kernels::MaxPool k;
                k.w = x.w;
                k.c = x.c;
                k.kh = k.kw = op.kernel;
                k.stride = op.stride;
                k.out_w = y.w;
                k.row_begin = share.begin;
                k.row_end = share.end;
                k.x = r.at(x);
                k.y = r.at(y.rows(share.begin, share.count()));
                r.kernels->max_pool(k);
              });
}

}  // namespace lemore::plan::steps
