#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/ops/resize.h"
#include "lemore/session.h"
#include "lemore/thread_pool.h"
#include "plan/plan.h"

namespace lemore::image {
class Resizer;
}

namespace lemore::detail {

/// Memory for a session's buffers: its own, or the caller's.
class Arena {
 public:
  /// At least `bytes`, 64-byte aligned: of options.arena where it is given, behind the `taken` bytes of somebody else,
  /// else of options.allocator or operator new.
  static Result<Arena> create(std::size_t bytes, const ComputeOptions& options, std::size_t taken = 0);

  float* data() const noexcept { return data_; }

 private:
  struct Free {
    Allocator allocator;  ///< operator new where it has no functions
    std::size_t bytes = 0;
    void operator()(void* p) const noexcept;
  };
  std::unique_ptr<void, Free> owned_{nullptr, Free{}};
  float* data_ = nullptr;
};

/// One network planned for one input size, with the memory to run it.
struct SessionData {
  SessionData(const Model& model, const SessionOptions& options);
  ~SessionData();

  Model model;
  SessionOptions options;
  Isa isa{};
  Size size;
  plan::Plan plan;
  Arena arena;
  ThreadPool pool;  ///< the session's own; of the caller alone when parallel_for was given
  plan::Runtime runtime;
  std::unique_ptr<image::Resizer> resizer;  ///< where the model's images take a resize of 8-bit pixels
  std::vector<kernels::ResizeTap> prepare_taps;
  std::vector<kernels::ResizeTap> label_taps;  ///< grows when a larger label map is asked for
  Session::StageObserver observer = nullptr;
  void* observer_context = nullptr;
  bool profiling = false;
  std::vector<StepTime> times;
  double prepare_ms = 0, network_ms = 0;
  bool has_run = false;

  /// The image at `size` where that takes a resize of 8-bit pixels, valid until the next call; else the image itself.
  ImageView resized(const ImageView& image, Size size);
  /// Runs the steps on the prepared input.
  void run_steps() noexcept;
};

/// The plan of a session with these options. Errors    as Session::create, but for the arena.
Result<plan::Plan> plan_session(const Model& model, const SessionOptions& options);

/// Threads that are asked for.
int workers_of(const ComputeOptions& options);

}  // namespace lemore::detail
