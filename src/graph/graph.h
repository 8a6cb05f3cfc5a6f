#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "core/name.h"
#include "graph/operators.h"
#include "lemore/status.h"
#include "lemore/tensor.h"

/// A network as data: nodes that compute feature maps from feature maps. Everything else follows from it: the weights a
/// file must hold, parameters and multiply-accumulates, what can be compared with PyTorch, and the steps that are run.
/// A graph knows no kernel, no thread and no file.
namespace lemore::graph {

/// A tensor of the weight file that a node needs. All are F32.
struct Weight {
  std::string name;  ///< as in the file, for instance "stem.weight"
  Shape shape;
  Layout layout = Layout::plain;
  std::uint64_t trained = 0;  ///< parameters that training learns in its place
};

/// One operator applied to maps. `name` is the module's name in the PyTorch state dict.
struct Node {
  std::string name;
  Operator op;
  std::vector<Map> inputs;  ///< in the operator's order; absent ones are empty maps
  Map output;

  /// The operator as `Op`, or null when it is another one.
  template <typename Op>
  const Op* as() const {
    return std::get_if<Op>(&op);
  }
};

/// Where a map's elements lie: in the memory of the map `base`, which is the map itself unless it is a part of another.
struct Placement {
  int base = -1;
  std::size_t offset = 0;  ///< elements
  std::size_t stride = 0;  ///< elements from one pixel to the next
};

/// A map that can be read after a run, to compare it with PyTorch's: complete once node `node` has run.
struct Record {
  std::string name;
  Map map;
  std::size_t node = 0;
};

/// What a network's output means.
enum class OutputKind : std::uint8_t {
  pixel_logits,  ///< [h, w, classes]
  class_logits   ///< [1, 1, classes], one row for the image
};

/// Collects the nodes of a network while it describes itself for one input size. Every method checks the shapes it is
/// given, declares the weights its node needs and returns the map that the node computes. The first mistake is kept in
/// status(); what is described after it is meaningless but harmless. Sizes are bounded here, once for all networks:
/// maps of at most 2^40 elements, weights of at most k_max_weight_bytes.
class Graph {
 public:
  static constexpr std::uint64_t k_max_weight_bytes = std::uint64_t{1} << 31;

  Graph();
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// The image [h, w, 3] in a border of `border` zeros on each side, which the session fills before each run.
  Map image(std::size_t h, std::size_t w, std::size_t border);

  /// 3x3 convolution with stride 2 of an image with a border of 1; relu6.
  Map conv3x3s2(const Name& name, const Map& image, std::size_t out_c);

  /// What a layer adds to its products.
  enum class Bias : std::uint8_t {
    none,
    trained,  ///< a bias of its own
    norm      ///< what a BatchNorm of training has become
  };

  /// 1x1 convolution or linear layer: activation(x W^T + b) + residual, the residual shaped as the result or absent.
  /// `trained_out_c` are its rows in training where the file holds merged ones; 0: out_c.
  Map pointwise(const Name& name, const Map& x, std::size_t out_c, Activation activation = Activation::none,
                Bias bias = Bias::norm, const Map& residual = {}, std::size_t trained_out_c = 0);

  /// sum = activation(sum + x W^T + b), in the place of `sum`; b is "<bias_name>.bias", of a norm.
  Map pointwise_onto(const Name& name, const Name& bias_name, const Map& x, const Map& sum, Activation activation);

  /// Convolution with bias: kernel x kernel, zero padding on each side.
  Map conv(const Name& name, const Map& x, std::size_t out_c, std::size_t kernel, std::size_t stride, std::size_t pad);

  /// Depthwise convolution with bias, kernel kh x kw, zero padding dilation * (k - 1) / 2.
  struct DepthwiseOptions {
    std::size_t kh = 3, kw = 3, stride = 1, dilation = 1;
    Activation activation = Activation::none;
    Bias bias = Bias::norm;
  };
  Map depthwise(const Name& name, const Map& x, const DepthwiseOptions& options);

  /// relu6(norm(sum of the views)): the channels mixed by "transverse", the height by "frontal", the width by
  /// "lateral"; operators trained at another size are resampled when a session is made.
  struct AxisProjectionsOptions {
    bool transverse = true, frontal = true, lateral = true;  ///< the views that are there
    std::size_t trained_h = 0, trained_w = 0;                ///< sizes of the operators in the weight file
  };
  Map axis_projections(const Name& name, const Map& x, const AxisProjectionsOptions& options);

  /// Means over the width, then over the height, end to end: [h + w, 1, c].
  Map axis_means(const Name& name, const Map& x);
  /// Mean over height and width: [1, 1, c].
  Map global_mean(const Name& name, const Map& x);
  /// x * a_h * a_w + skip: a_h [h, 1, c], or [1, 1, c] for every row; a_w [w, 1, c]. Any of the three may be absent.
  Map gate(const Name& name, const Map& x, const Map& a_h, const Map& a_w, const Map& skip);
  /// Adaptive average pooling to h x w, PyTorch's windows.
  Map adaptive_avg_pool(const Name& name, const Map& x, std::size_t h, std::size_t w);
  /// Nested attention on the projections `qkv` [h, w, branches * key_dim * 2 + value_dim]: [h, w, value_dim].
  Map nested_attention(const Name& name, const Map& qkv, const NestedAttention& options);
  /// local * resize(gate) + resize(globl), at the size of `local`.
  Map gated_fusion(const Name& name, const Map& local, const Map& gate, const Map& globl);
  /// Sum of the maps, each resized to h x w (bilinear, half-pixel centres).
  Map resize_sum(const Name& name, const std::vector<Map>& maps, std::size_t h, std::size_t w);

  /// Layer normalisation over channels; `affine` where the file holds scale and shift, else they are folded elsewhere.
  Map layer_norm(const Name& name, const Map& x, float eps, bool affine);
  /// softmax(q k^T) v of each head, whose channels lie together; kv holds keys, then values. The scale is in q.
  Map attention(const Name& name, const Map& q, const Map& kv, std::size_t heads);
  /// Largest value of each kernel x kernel window, without padding.
  Map max_pool(const Name& name, const Map& x, std::size_t kernel, std::size_t stride);
  /// Offset learning's three steps, with `classes` class vectors of x.c channels ("<name>.cls_repr").
  Map class_affinity(const Name& name, const Map& x, std::size_t classes);
  Map class_offset(const Name& name, const Map& x, const Map& affinity);
  Map offset_logits(const Name& name, const Map& x, const Map& affinity, const Map& moved);

  /// Maps of one size with their channels side by side, without copying: the nodes that compute them write into it.
  Map concat(const std::vector<Map>& maps);
  /// Rows, or channels, begin..begin + count of a map, in place.
  Map rows(const Map& map, std::size_t begin, std::size_t count);
  Map channels(const Map& map, std::size_t begin, std::size_t count);

  /// Parameters of the trained network that have no weight of their own here: folded, or not used.
  void count_parameters(std::uint64_t parameters) { folded_parameters_ += parameters; }
  /// Multiply-accumulates that the trained network needs beyond those of the nodes, where these are a rewritten form.
  void count_macs(std::uint64_t macs) { rewritten_macs_ += macs; }

  /// Names a map that is complete now, so that it can be compared with PyTorch's.
  void record(const Name& name, const Map& map);
  /// Names a stage of the trained network that is not computed here, since an exact rewrite merged it into another.
  void merged(const Name& name) { merged_.push_back(name.text()); }
  /// The network's output; it is recorded as "output".
  void output(const Map& map, OutputKind kind);

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Weight>& weights() const { return weights_; }
  const std::vector<Record>& records() const { return records_; }
  std::vector<std::string>&& take_merged() { return std::move(merged_); }
  std::size_t map_count() const { return maps_.size(); }
  const Placement& placement(const Map& map) const { return maps_[static_cast<std::size_t>(map.id)].place; }
  const Map& base(const Map& map) const { return maps_[static_cast<std::size_t>(placement(map).base)].map; }
  const Map& image() const { return image_; }
  std::size_t image_border() const { return border_; }
  const Map& output() const { return output_; }
  OutputKind output_kind() const { return kind_; }
  /// Parameters that training learns: BatchNorm's weight and bias included, running statistics not.
  std::uint64_t trained_parameters() const;
  std::uint64_t rewritten_macs() const { return rewritten_macs_; }
  const Status& status() const { return status_; }

 private:
  struct Placed {
    Map map;
    Placement place;
  };

  Map map(std::size_t h, std::size_t w, std::size_t c);
  Map add_map(std::size_t h, std::size_t w, std::size_t c, Placement place);
  Map part(const Map& map, std::size_t h, std::size_t c, std::size_t offset);
  Map node(const Name& name, const Operator& op, std::initializer_list<Map> inputs, const Map& output);
  int weight(std::string name, const Shape& shape, Layout layout, std::uint64_t trained);
  int weight(const Name& layer, const char* part, std::size_t size, std::uint64_t trained);
  int packed_weight(const Name& layer, std::size_t in, std::size_t out, std::size_t trained_out);
  int bias_weight(const Name& layer, std::size_t size, Bias bias, std::size_t trained);
  bool dense(const Map& map) const;
  void require(bool condition, const Name& name, const char* what);
  void fail(Status status);

  std::vector<Node> nodes_;
  std::vector<Placed> maps_;
  std::vector<Weight> weights_;
  std::vector<Record> records_;
  std::vector<std::string> merged_;
  Map image_, output_;
  std::size_t border_ = 0;
  OutputKind kind_ = OutputKind::pixel_logits;
  std::uint64_t weight_bytes_ = 0, folded_parameters_ = 0, rewritten_macs_ = 0;
  Status status_;
};

}  // namespace lemore::graph
