#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/compute.h"
#include "lemore/export.h"
#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

namespace detail {
struct SessionData;
}

/// How a session is made.
struct SessionOptions : ComputeOptions {
  SessionOptions() = default;
  explicit SessionOptions(const ComputeOptions& compute) : ComputeOptions(compute) {}

  /// Input size; 0 x 0 is the model's own.
  Size size{0, 0};
  /// Every named stage keeps a buffer of its own and can be read after a run.
  bool keep_stages = false;
  /// Compute layers together where that is faster, in strips that stay in the cache. The results have the same bits
  /// either way.
  bool fuse = true;
};

/// One step of the network as it is run.
struct StepInfo {
  std::string name;        ///< the module it computes, named as in the PyTorch state dict
  std::string op;          ///< operator, for instance "pointwise" or "dwconv"
  Shape output;            ///< height, width, channels (or rows, columns)
  std::uint64_t macs = 0;  ///< multiply-accumulates of convolutions and linear layers
  bool counted = true;     ///< whether the paper's MAC count includes them (it leaves out attention's products)
};

/// Time of one step in the last run.
struct StepTime {
  std::string_view name;
  double milliseconds = 0;
};

/// One network at one input size, with all the memory a run needs. Use one per thread; moving it is cheap.
///
/// create() and resize() plan and allocate everything. Only create() starts threads; they sleep while nothing runs
/// (lemore/thread_pool.h). run() and label_map() allocate nothing, print nothing and throw nothing. One exception: where
/// the model's ResizeRule is opencv or pillow, the first image of a new size that run() has to resize makes room for its
/// 8-bit pixels; images of that size after it allocate nothing.
///
/// On one ISA the same input gives the same bits for any number of threads, and whatever other sessions run. Different
/// ISAs differ by rounding (docs/architecture.md, "Numerics").
class LEMORE_API Session {
 public:
  /// The exact size in bytes of the arena that a session with these options needs. It depends on threads and
  /// keep_stages; a session whose threads the system did not all start uses less.
  /// Errors    as create.
  static Result<std::size_t> arena_bytes(const Model& model, const SessionOptions& options);

  /// Plans, allocates, and starts the threads.
  /// Errors    invalid_shape for a size outside Model::min_side()..k_max_input; invalid_argument for an arena that is
  ///           too small or misaligned, an allocator without its functions, or threads < 0; unsupported for the ISA;
  /// out_of_memory.
  static Result<Session> create(const Model& model, const SessionOptions& options = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Plans again for another input size. An arena of the caller must be large enough for it. After an error the session
  /// is as it was before.
  /// Errors    as create.
  Status resize(Size size);

  /// Input height and width.
  Size size() const noexcept;
  const Model& model() const noexcept;
  Isa isa() const noexcept;
  int threads() const noexcept;
  /// Number of bytes of the arena in use.
  std::size_t arena_bytes() const noexcept;

  /// Resizes an 8-bit image of any size to the session's size by the model's ResizeRule, normalises it as the model says,
  /// and runs the network.
  /// Errors    invalid_argument for an image that is null or empty, or whose row_bytes are too few; out_of_memory where
  ///           room for a resized image was not to be had.
  Status run(const ImageView& image);

  /// Runs the network on part of an image without resizing: the window of the session's size at (top, left).
  /// Errors    invalid_argument if the window does not lie inside the image.
  Status run_window(const ImageView& image, int top, int left);

  /// Runs the network on a normalised float tensor [1, 3, h, w] (nchw) of the session's size.
  /// Numbers   NaN and infinities are accepted and computed with. One NaN makes every logit NaN, because attention sees
  ///           the whole image; the first activation may clip an infinity to 6. label_map says what label they give.
  ///           Denormals keep their value, except that NEON on 32-bit Arm takes them as 0. The rounding mode and the
  ///           flushing of denormals (FTZ and DAZ on x86) of the calling thread and the pool's threads are used as they
  ///           are and never changed.
  /// Errors    invalid_shape.
  Status run(const TensorView& input);

  /// The output of the last run: logits [1, h, w, classes] (nhwc) at the resolution of the network's head, or
  /// [1, classes] for a classifier. Valid until the next run.
  TensorView logits() const noexcept;

  /// Writes the label map of the last run, resized to the size of `labels`, which may be any. If `confidence` is given,
  /// it also writes the softmax probability of each pixel's class. Ties go to the lower class.
  /// Numbers   A class is skipped at a pixel if one of the four logits around it is NaN, even one of weight 0.
  ///           Infinities count as numbers. Where every class is skipped, label and confidence are 0; elsewhere the
  ///           confidence is above 0. This holds on every ISA, and equal logits give equal labels. With `confidence` or
  ///           LabelMapRule::two_step, the result may be either of two classes that lie within rounding of each other.
  /// Errors    invalid_argument for views that are null, of different sizes, or with rows that are too short;
  ///           unsupported for a classifier.
  Status label_map(const LabelView& labels, const ConfidenceView* confidence = nullptr);

  /// Allocates what label maps of up to `size` need, so that label_map allocates nothing. Without it label_map
  /// allocates whenever a map is larger than any before.
  /// Errors    invalid_argument, out_of_memory.
  Status reserve_labels(Size size);

  /// The steps in the order they are run. Valid until resize.
  const std::vector<StepInfo>& steps() const noexcept;

  /// Names of the stages, in the order they are computed: "stem", "stages.0.down", ..., "head.fuse", "output".
  const std::vector<std::string>& stage_names() const noexcept;

  /// Names of stages of the trained network that are not computed, since an exact rewrite merged
  /// them into others.
  const std::vector<std::string>& merged_stages() const noexcept;

  /// A stage of the last run, channels last: [1, h, w, c]. Requires keep_stages.
  /// Errors    not_found.
  Result<TensorView> stage(std::string_view name) const;

  /// A function that run() calls after each stage. It may overwrite the stage's elements, which are dense floats,
  /// channels last. This is how numerics are checked stage by stage, each from a reference's inputs. Requires
  /// keep_stages.
  using StageObserver = void (*)(void* context, std::string_view name, const Shape& nhwc, float* elements);
  void set_stage_observer(StageObserver observer, void* context) noexcept;

  /// Turns the timing of steps on or off. If it is on, last_times() has one entry per step.
  void set_profiling(bool on) noexcept;
  const std::vector<StepTime>& last_times() const noexcept;

  /// Milliseconds that the last run spent on preparing its input, and in the network.
  double last_prepare_ms() const noexcept;
  double last_network_ms() const noexcept;

  const detail::SessionData& data() const noexcept { return *data_; }  ///< for lemore's own sources
  detail::SessionData& data() noexcept { return *data_; }              ///< likewise

 private:
  explicit Session(std::unique_ptr<detail::SessionData> data);
  std::unique_ptr<detail::SessionData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
