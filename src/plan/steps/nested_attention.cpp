#include <algorithm>
#include <cmath>

#include "kernels/ops/nested_attention.h"
#include "plan/steps/steps.h"

namespace lemore::plan::steps {

void lower(Lowering& l, const Node& node, const graph::NestedAttention& o) {
  const Value qkv = l.at(node.inputs[0]);
  const std::size_t tokens = qkv.pixels();
  const std::size_t width = 2 * o.branches * o.key_dim + o.value_dim;
  const std::size_t head_k = o.key_dim / o.heads, head_v = o.value_dim / o.heads;
  const std::size_t row = (tokens + kernels::k_panel - 1) / kernels::k_panel * kernels::k_panel;

  // keys of head t, branch j: a [head_k, row] matrix at (t * branches + j) * head_k * row
  const Value keys = l.plan.value(o.heads * o.branches, head_k, row);
  l.plan.step({node.name + ".keys", "transpose", keys}, {qkv, keys}, o.heads * o.branches, 1,
              [=](const Runtime& r, const Share& share) {
                for (std::size_t i = share.begin; i < share.end; ++i) {
                  const std::size_t t = i / o.branches, j = i % o.branches;
                  kernels::TransposeKeys k;
                  k.tokens = tokens;
                  k.key_dim = head_k;
                  k.x = r.at(qkv) + (o.branches + j) * o.key_dim + t * head_k;
                  k.x_stride = width;
                  k.y = r.at(keys) + i * head_k * row;
                  k.y_stride = row;
                  r.kernels->transpose_keys(k);
                }
              });

  const Value y = l.at(node.output);
  const std::size_t per_worker = kernels::nested_attention_scratch(tokens);
  const Value scratch = l.plan.value(l.plan.workers(), 1, per_worker);
  const std::size_t tiles = (tokens + kernels::k_attention_rows - 1) / kernels::k_attention_rows;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_k)));
  const std::uint64_t macs = std::uint64_t{tokens} * tokens * (o.branches * o.branches * o.key_dim + o.value_dim);
  l.plan.step({node.name + ".attention", "nested_attention", y, macs, false}, {qkv, keys, scratch, y}, o.heads * tiles,
              1, [=](const Runtime& r, const Share& share) {
                for (std::size_t i = share.begin; i < share.end; ++i) {
                  const std::size_t t = i / tiles, tile = i % tiles;
                  kernels::NestedAttention k;
                  k.tokens = tokens;
                  k.key_dim = head_k;
                  k.value_dim = head_v;
                  k.branches = o.branches;
                  k.row_begin = tile * kernels::k_attention_rows;
                  k.row_end = std::min(tokens, k.row_begin + kernels::k_attention_rows);
                  k.scale = scale;
                  k.q = r.at(qkv) + t * head_k;
                  k.q_stride = width;
                  k.q_branch_stride = o.key_dim;
                  k.keys = r.at(keys) + t * o.branches * head_k * row;
                  k.keys_stride = row;
                  k.keys_branch_stride = head_k * row;
                  k.v = r.at(qkv) + 2 * o.branches * o.key_dim + t * head_v;
                  k.v_stride = width;
                  k.activation = o.activation;
                  k.y = r.at(y) + t * head_v;
                  k.y_stride = o.value_dim;
                  k.scratch = r.at(scratch) + share.worker * per_worker;
                  r.kernels->nested_attention(k);
                }
              });
}

}  // namespace lemore::plan::steps
