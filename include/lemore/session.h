#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/cpu.h"
#include "lemore/export.h"
#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/parallel.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

namespace detail {
struct SessionData;
}

/// Where the large memory comes from (all activations and what label maps need; a Segmenter's windows), for programs
/// that hand out memory themselves. Both functions must be there and must not throw. They are called by create(),
/// resize(), Segmenter::segment() where an image needs more, and the destructor alone.
struct Allocator {
  /// `bytes` (at least 1) aligned to `alignment` (k_alignment), or null when there is no more.
  void* (*allocate)(void* context, std::size_t bytes, std::size_t alignment) = nullptr;
  /// Takes back what allocate gave, with the same `bytes`.
  void (*release)(void* context, void* memory, std::size_t bytes) = nullptr;
  void* context = nullptr;
};

/// How a session is made.
struct SessionOptions {
  Size size{0, 0};  ///< input size; 0 x 0 is the model's own. Other sizes resample the axis operators
  int threads = 0;  ///< of the session's own ThreadPool; 0: default_threads(). Ignored when parallel_for is set
  std::optional<ParallelFor> parallel_for;  ///< the caller's threads; the session starts none then
  std::optional<Isa> isa;                   ///< default: LEMORE_ISA of the environment, else the best this CPU has
  bool keep_stages = false;                 ///< every named stage keeps a buffer of its own and can be read after run
  bool fuse = true;  ///< layers are computed together, in strips that stay in the cache, where that is faster; the same
                     ///< bits either way
  void* arena = nullptr;        ///< memory for all buffers, aligned to k_alignment; null: the session allocates it
  std::size_t arena_bytes = 0;  ///< at least Session::arena_bytes(model, options) when arena is given
  std::optional<Allocator> allocator;  ///< gives the arena where `arena` is null; default: operator new
};

/// One step of the network as it will be run.
struct StepInfo {
  std::string name;        ///< the module it computes, named as in the PyTorch state dict
  std::string op;          ///< operator, for instance "pointwise" or "dwconv"
  Shape output;            ///< height, width, channels (or rows, columns)
  std::uint64_t macs = 0;  ///< multiply-accumulates of convolutions and linear layers
  bool counted = true;     ///< whether the paper's MAC count has them (attention's products are not counted)
};

/// Milliseconds the last run spent, in order.
struct StepTime {
  std::string_view name;
  double milliseconds = 0;
};

/// One network of one input size with all the memory a run needs. One per thread; moving it is cheap.
///
/// Everything is planned and allocated by create() and resize(), threads are started by create() alone and sleep while
/// nothing runs (lemore/thread_pool.h); run() and label_map() allocate nothing, print nothing and throw nothing. The
/// same input gives the same bits for any number of threads and of other sessions on the same ISA; ISAs differ by
/// rounding (docs/architecture.md, "Numerics").
class LEMORE_API Session {
 public:
  /// Exact bytes of the arena a session with these options needs (threads and keep_stages matter); fewer when the
  /// system starts fewer threads.
  /// Errors    as create.
  static Result<std::size_t> arena_bytes(const Model& model, const SessionOptions& options);

  /// Plans and allocates. Errors: invalid_shape (size outside k_min_input..k_max_input), invalid_argument (arena too
  /// small or misaligned, an allocator without its functions, threads < 0), unsupported (ISA), out_of_memory.
  static Result<Session> create(const Model& model, const SessionOptions& options = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Plans anew for another input size; a given arena must be large enough. On an error the session is as before.
  Status resize(Size size);

  /// Input height and width.
  Size size() const noexcept;
  const Model& model() const noexcept;
  Isa isa() const noexcept;
  int threads() const noexcept;
  /// Bytes of the arena in use.
  std::size_t arena_bytes() const noexcept;

  /// Runs the network on an 8-bit image of any size, resized to the session's size and normalised as the model says.
  /// Errors    invalid_argument for a null, empty or too narrow image.
  Status run(const ImageView& image);

  /// Runs the network on part of an image without resizing: the window of the session's size at (top, left).
  /// Errors    invalid_argument when the window leaves the image.
  Status run_window(const ImageView& image, int top, int left);

  /// Runs the network on a normalised float tensor [1, 3, h, w] (nchw) of the session's size.
  /// Numbers   NaN and infinities are computed with, not refused: one NaN makes every logit NaN, since attention sees
  ///           the whole image (an infinity may be cut to 6 by the first activation). label_map says what they become.
  ///           Denormals count as what they are, or as 0 on 32-bit Arm's NEON. Rounding and flushing of denormals
  ///           (x86: FTZ, DAZ) are used as the calling thread and those of the pool have them, and never changed.
  /// Errors    invalid_shape.
  Status run(const TensorView& input);

  /// The last run's output: logits [1, ceil(h/8), ceil(w/8), classes] (nhwc), or [1, classes] of a classifier. Valid
  /// until the next run.
  TensorView logits() const noexcept;

  /// Writes the label map of the last run at the size of `labels` (any size), and if `confidence` is given the softmax
  /// probability of each pixel's class. Ties go to the lower class.
  /// Numbers   A class whose logit at the pixel (of its four neighbours, one with weight 0 too) is NaN is passed over;
  ///           infinities are numbers. Where no class has a number the label is 0 and the confidence 0; elsewhere it is
  ///           above 0. So it is on every ISA, and equal logits give equal labels; but with confidence, or with
  ///           LabelMapRule::two_step, classes within rounding of each other may be taken for one another.
  /// Errors    invalid_argument (views of different sizes, null, too narrow), unsupported for a classifier.
  Status label_map(const LabelView& labels, const ConfidenceView* confidence = nullptr);

  /// Makes room for label maps of up to `size`, so that label_map allocates nothing. label_map does it itself when a
  /// map is larger than any before. Errors: invalid_argument, out_of_memory.
  Status reserve_labels(Size size);

  /// The steps as they are run. Valid until resize.
  const std::vector<StepInfo>& steps() const noexcept;

  /// Names of the stages, in the order they are computed: "stem", "stages.0.down", ..., "head.fuse", "output".
  const std::vector<std::string>& stage_names() const noexcept;

  /// A stage of the last run, channels-last: [1, h, w, c]. Requires keep_stages. Errors: not_found.
  Result<TensorView> stage(std::string_view name) const;

  /// Called after each stage while a run is under way; may overwrite the stage's elements (channels-last floats,
  /// dense). Numerics are checked this way: every stage is computed from a reference's inputs. Requires keep_stages.
  using StageObserver = void (*)(void* context, std::string_view name, const Shape& nhwc, float* elements);
  void set_stage_observer(StageObserver observer, void* context) noexcept;

  /// Turns timing of steps on or off; last_times() holds one entry a step then.
  void set_profiling(bool on) noexcept;
  const std::vector<StepTime>& last_times() const noexcept;

  /// Milliseconds the last run spent preparing its input, and in the network.
  double last_prepare_ms() const noexcept;
  double last_network_ms() const noexcept;

  const detail::SessionData& data() const noexcept { return *data_; }  ///< for lemore's own sources

 private:
  explicit Session(std::unique_ptr<detail::SessionData> data);
  std::unique_ptr<detail::SessionData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
