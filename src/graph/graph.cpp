#include "graph/graph.h"

#include <algorithm>

#include "core/text.h"

namespace lemore::graph {

namespace {

constexpr std::uint64_t k_max_map_elements = std::uint64_t{1} << 40;
constexpr std::size_t k_panel = 16;  ///< columns of a panel of packed weights, as kernels/ops/gemm.h has it

std::size_t ceil_div(std::size_t n, std::size_t d) { return (n + d - 1) / d; }

}  // namespace

Graph::Graph() = default;
Graph::~Graph() = default;

void Graph::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void Graph::require(bool condition, const Name& name, const char* what) {
  if (!condition) fail(make_error(StatusCode::invalid_shape, {name.text(), ": ", what}));
}

bool Graph::dense(const Map& map) const { return placement(map).stride == map.c; }

Map Graph::add_map(std::size_t h, std::size_t w, std::size_t c, Placement place) {
  const Map map{static_cast<int>(maps_.size()), h, w, c};
  if (place.base < 0) place.base = map.id;
  maps_.push_back({map, place});
  return map;
}

Map Graph::map(std::size_t h, std::size_t w, std::size_t c) {
  const Shape shape{h, w, c};
  if (shape.elements() > k_max_map_elements)
    fail(make_error(StatusCode::invalid_shape, {"a map of ", shape, " is too large"}));
  return add_map(h, w, c, {-1, 0, c});
}

Map Graph::part(const Map& whole, std::size_t h, std::size_t c, std::size_t offset) {
  Placement place = placement(whole);
  place.offset += offset;
  return add_map(h, whole.w, c, place);
}

Map Graph::rows(const Map& map, std::size_t begin, std::size_t count) {
  return part(map, count, map.c, begin * map.w * placement(map).stride);
}

Map Graph::channels(const Map& map, std::size_t begin, std::size_t count) { return part(map, map.h, count, begin); }

Map Graph::concat(const std::vector<Map>& maps) {
  std::size_t channels = 0;
  for (const Map& m : maps) channels += m.c;
  const Map all = map(maps.front().h, maps.front().w, channels);
  std::size_t offset = 0;
  for (const Map& m : maps) {
    Placement& place = maps_[static_cast<std::size_t>(m.id)].place;
    require(m.h == all.h && m.w == all.w && place.base == m.id, "concat", "needs whole maps of one size");
    place = {all.id, offset, channels};
    offset += m.c;
  }
  return all;
}

Map Graph::node(const Name& name, const Operator& op, std::initializer_list<Map> inputs, const Map& output) {
  nodes_.push_back({name.text(), op, inputs, output});
  return output;
}

int Graph::weight(std::string name, const Shape& shape, Layout layout, std::uint64_t trained) {
  weight_bytes_ += shape.elements() * sizeof(float);  // each below 2^43 bytes, and few enough
  weights_.push_back({std::move(name), shape, layout, trained});
  return static_cast<int>(weights_.size()) - 1;
}

int Graph::weight(const Name& layer, const char* part, std::size_t size, std::uint64_t trained) {
  return weight(layer(part).text(), {size}, Layout::plain, trained);
}

int Graph::packed_weight(const Name& layer, std::size_t in, std::size_t out, std::size_t trained_out) {
  return weight(layer("weight").text(), {ceil_div(out, k_panel), in, k_panel}, Layout::packed_p16,
                std::uint64_t{in} * trained_out);
}

std::uint64_t Graph::trained_parameters() const {
  std::uint64_t sum = folded_parameters_;
  for (const Weight& w : weights_) sum += w.trained;
  return sum;
}

Map Graph::image(std::size_t h, std::size_t w, std::size_t border) {
  border_ = border;
  return image_ = map(h + 2 * border, w + 2 * border, 3);
}

Map Graph::conv3x3s2(const Name& name, const Map& image, std::size_t out_c) {
  require(image.id == image_.id && border_ == 1, name, "needs the image with a border of 1");
  Conv3x3s2 op;
  op.weight = packed_weight(name, 27, out_c, out_c);
  op.bias = bias_weight(name, out_c, Bias::norm, out_c);
  return node(name, op, {image}, map((image.h - 1) / 2, (image.w - 1) / 2, out_c));
}

Map Graph::pointwise(const Name& name, const Map& x, std::size_t out_c, Activation activation, Bias bias,
                     const Map& residual, std::size_t trained_out_c) {
  require(!residual || (dense(residual) && residual.pixels() == x.pixels() && residual.c == out_c), name,
          "the residual has another shape");
  Pointwise op;
  op.activation = activation;
  op.trained_out_c = trained_out_c != 0 ? trained_out_c : out_c;
  op.weight = packed_weight(name, x.c, out_c, op.trained_out_c);
  op.bias = bias_weight(name, out_c, bias, op.trained_out_c);
  return node(name, op, {x, residual}, map(x.h, x.w, out_c));
}

int Graph::bias_weight(const Name& layer, std::size_t size, Bias bias, std::size_t trained) {
  if (bias == Bias::none) return -1;
  return weight(layer, "bias", size, (bias == Bias::norm ? std::uint64_t{2} : std::uint64_t{1}) * trained);
}

Map Graph::depthwise(const Name& name, const Map& x, const DepthwiseOptions& options) {
  require(dense(x), name, "needs a dense map");
  Depthwise op;
  op.kh = options.kh;
  op.kw = options.kw;
  op.stride = options.stride;
  op.dilation = options.dilation;
  op.activation = options.activation;
  op.weight = weight(name("weight").text(), {op.kh, op.kw, x.c}, Layout::plain, std::uint64_t{op.kh} * op.kw * x.c);
  op.bias = bias_weight(name, x.c, options.bias, x.c);
  return node(name, op, {x}, map(ceil_div(x.h, op.stride), ceil_div(x.w, op.stride), x.c));
}

Map Graph::global_mean(const Name& name, const Map& x) { return node(name, GlobalMean{}, {x}, map(1, 1, x.c)); }

Map Graph::resize_sum(const Name& name, const std::vector<Map>& maps, std::size_t h, std::size_t w) {
  const Map sum = node(name, ResizeSum{}, {}, map(h, w, maps.front().c));
  for (const Map& m : maps) require(dense(m) && m.c == sum.c, name, "needs dense maps of as many channels");
  nodes_.back().inputs = maps;
  return sum;
}

void Graph::record(const Name& name, const Map& map) { records_.push_back({name.text(), map, nodes_.size() - 1}); }

void Graph::output(const Map& map, OutputKind kind) {
  output_ = map;
  kind_ = kind;
  record("output", map);
  if (weight_bytes_ > k_max_weight_bytes)
    fail(make_error(StatusCode::invalid_file, {"config: expected a network of at most ", k_max_weight_bytes,
                                               " bytes of weights, got ", weight_bytes_}));
}

}  // namespace lemore::graph
