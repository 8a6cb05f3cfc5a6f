#include "graph/graph.h"

// The operators of transformers: patch embeddings, layer normalisation, attention, offset learning.
namespace lemore::graph {

Map Graph::conv(const Name& name, const Map& x, std::size_t out_c, std::size_t kernel, std::size_t stride,
                std::size_t pad) {
  require(dense(x), name, "needs a dense map");
  require(x.h + 2 * pad >= kernel && x.w + 2 * pad >= kernel, name, "the map is smaller than the kernel");
  Conv op;
  op.kernel = kernel;
  op.stride = stride;
  op.pad = pad;
  op.weight = packed_weight(name, kernel * kernel * x.c, out_c, out_c);
  op.bias = bias_weight(name, out_c, Bias::trained, out_c);
  const auto side = [&](std::size_t n) { return n + 2 * pad < kernel ? 1 : (n + 2 * pad - kernel) / stride + 1; };
  return node(name, op, {x}, map(side(x.h), side(x.w), out_c));
}

Map Graph::pointwise_onto(const Name& name, const Name& bias_name, const Map& x, const Map& sum,
                          Activation activation) {
  require(dense(x) && dense(sum) && x.pixels() == sum.pixels(), name, "needs dense maps of one size");
  Pointwise op;
  op.activation = activation;
  op.trained_out_c = sum.c;
  op.weight = packed_weight(name, x.c, sum.c, sum.c);
  op.bias = bias_weight(bias_name, sum.c, Bias::norm, sum.c);
  return node(name, op, {x, {}, sum}, part(sum, sum.h, sum.c, 0));
}

Map Graph::layer_norm(const Name& name, const Map& x, float eps, bool affine) {
  LayerNorm op;
  op.eps = eps;
  if (affine) {
    op.scale = weight(name, "weight", x.c, x.c);
    op.shift = weight(name, "bias", x.c, x.c);
  } else {
    count_parameters(2 * std::uint64_t{x.c});
  }
  return node(name, op, {x}, map(x.h, x.w, x.c));
}

Map Graph::attention(const Name& name, const Map& q, const Map& kv, std::size_t heads) {
  require(dense(q) && dense(kv) && kv.c == 2 * q.c && q.c % heads == 0, name,
          "needs queries, and keys and values of as many channels, a multiple of the heads");
  return node(name, Attention{heads}, {q, kv}, map(q.h, q.w, q.c));
}

Map Graph::max_pool(const Name& name, const Map& x, std::size_t kernel, std::size_t stride) {
  require(dense(x) && x.h >= kernel && x.w >= kernel, name, "the map is smaller than the window");
  const auto side = [&](std::size_t n) { return n < kernel ? 1 : (n - kernel) / stride + 1; };
  return node(name, MaxPool{kernel, stride}, {x}, map(side(x.h), side(x.w), x.c));
}

Map Graph::class_affinity(const Name& name, const Map& x, std::size_t classes) {
  require(dense(x), name, "needs a dense map");
  ClassAffinity op;
  op.classes = weight(name("cls_repr").text(), {classes, x.c}, Layout::plain, std::uint64_t{classes} * x.c);
  return node(name("affinity"), op, {x}, map(x.h, x.w, classes));
}

Map Graph::class_offset(const Name& name, const Map& x, const Map& affinity) {
  ClassOffset op;
  op.classes = nodes_.back().as<ClassAffinity>() != nullptr ? nodes_.back().as<ClassAffinity>()->classes : -1;
  require(op.classes >= 0 && dense(affinity) && affinity.pixels() == x.pixels(), name, "needs the affinity before it");
  const Name projection = name("cls_offset_proj");
  op.projection = packed_weight(projection, x.c, x.c, x.c);
  return node(name("classes"), op, {x, affinity}, map(1, x.c, affinity.c));
}

Map Graph::offset_logits(const Name& name, const Map& x, const Map& affinity, const Map& moved) {
  OffsetLogits op;
  op.classes = nodes_.back().as<ClassOffset>() != nullptr ? nodes_.back().as<ClassOffset>()->classes : -1;
  require(op.classes >= 0 && dense(moved) && moved.w == x.c && moved.c == affinity.c, name,
          "needs the class vectors before it");
  const Name projection = name("feat_offset_proj");
  op.projection = packed_weight(projection, x.c, x.c, x.c);
  return node(name("raw"), op, {x, affinity, moved}, map(x.h, x.w, affinity.c));
}

}  // namespace lemore::graph
