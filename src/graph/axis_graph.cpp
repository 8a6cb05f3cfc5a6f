#include "graph/graph.h"

// The operators of LeMoRe's own: axis projections, gates, nested attention, gated fusion.
namespace lemore::graph {

Map Graph::axis_projections(const Name& name, const Map& x, const AxisProjectionsOptions& options) {
  require(dense(x), name, "needs a dense map");
  AxisProjections op;
  op.trained_h = options.trained_h;
  op.trained_w = options.trained_w;
  const auto axis = [&](const char* view, std::size_t n) {
    const Name layer = name(view);
    return weight(layer("weight").text(), {n, n}, Layout::plain, std::uint64_t{n} * n);
  };
  if (options.transverse) {
    const Name layer = name("transverse");
    op.transverse = packed_weight(layer, x.c, x.c, x.c);
  }
  if (options.frontal) op.frontal = axis("frontal", options.trained_h);
  if (options.lateral) op.lateral = axis("lateral", options.trained_w);
  const Name norm = name("norm");
  op.scale = weight(norm, "weight", x.c, x.c);
  op.shift = weight(norm, "bias", x.c, x.c);
  return node(name, op, {x}, map(x.h, x.w, x.c));
}

Map Graph::axis_means(const Name& name, const Map& x) {
  require(dense(x), name, "needs a dense map");
  return node(name, AxisMeans{}, {x}, map(x.h + x.w, 1, x.c));
}

Map Graph::gate(const Name& name, const Map& x, const Map& a_h, const Map& a_w, const Map& skip) {
  require(dense(x) && (!a_h || a_h.c == x.c) && (!a_w || a_w.c == x.c) && (!skip || skip.c == x.c), name,
          "needs dense maps of as many channels");
  return node(name, Gate{}, {x, a_h, a_w, skip}, map(x.h, x.w, x.c));
}

Map Graph::adaptive_avg_pool(const Name& name, const Map& x, std::size_t h, std::size_t w) {
  require(dense(x), name, "needs a dense map");
  return node(name, AdaptiveAvgPool{}, {x}, map(h, w, x.c));
}

Map Graph::nested_attention(const Name& name, const Map& qkv, const NestedAttention& op) {
  require(dense(qkv) && qkv.c == 2 * op.branches * op.key_dim + op.value_dim, name,
          "needs queries, keys and values side by side");
  require(op.key_dim % op.heads == 0 && op.value_dim % op.heads == 0, name, "heads must divide key_dim and value_dim");
  return node(name, op, {qkv}, map(qkv.h, qkv.w, op.value_dim));
}

Map Graph::gated_fusion(const Name& name, const Map& local, const Map& gate, const Map& globl) {
  require(dense(local) && dense(gate) && dense(globl) && local.c == gate.c && local.c == globl.c, name,
          "needs dense maps of as many channels");
  return node(name, GatedFusion{}, {local, gate, globl}, map(local.h, local.w, local.c));
}

}  // namespace lemore::graph
