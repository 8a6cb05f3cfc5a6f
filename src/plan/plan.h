#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/table.h"
#include "lemore/parallel.h"
#include "lemore/session.h"

namespace lemore::plan {

/// A channels-last map in the arena: element (y, x, i) at offset + (y * w + x) * stride + i of its buffer.
/// A handle: copying it copies no element, and a slice shares its buffer.
struct Value {
  int buffer = -1;
  std::size_t h = 0, w = 0, c = 0;
  std::size_t stride = 0;  ///< elements from one pixel to the next; c unless it is a slice of channels
  std::size_t offset = 0;  ///< elements

  std::size_t pixels() const { return h * w; }
  bool dense() const { return stride == c; }
  /// Rows begin..begin+count.
  Value rows(std::size_t begin, std::size_t count) const {
    Value v = *this;
    v.h = count;
    v.offset += begin * w * stride;
    return v;
  }
  /// Channels begin..begin+count.
  Value channels(std::size_t begin, std::size_t count) const {
    Value v = *this;
    v.c = count;
    v.offset += begin;
    return v;
  }
};

/// What a step sees while it runs: memory, kernels, threads.
struct Runtime {
  const kernels::KernelTable* kernels = nullptr;
  ParallelFor parallel;
  float* arena = nullptr;
  const std::size_t* offsets = nullptr;  ///< of buffers, in elements

  float* at(const Value& v) const { return arena + offsets[v.buffer] + v.offset; }

  /// body(begin, end, worker) over 0..total in consecutive shares of at least `grain`, one per worker. Shares depend on
  /// the number of workers, so a body must compute an element the same way wherever its share begins.
  template <typename Body>
  void split(std::size_t total, std::size_t grain, const Body& body) const {
    const std::size_t most = (total + grain - 1) / grain;
    const std::size_t tasks =
        most < static_cast<std::size_t>(parallel.workers) ? most : static_cast<std::size_t>(parallel.workers);
    if (tasks <= 1) {
      if (total > 0) body(std::size_t{0}, total, std::size_t{0});
      return;
    }
    struct Context {
      const Body* body;
      std::size_t total, tasks;
    } context{&body, total, tasks};
    parallel.run(
        parallel.context, static_cast<int>(tasks),
        [](void* p, int task) {
          const auto& c = *static_cast<const Context*>(p);
          const auto i = static_cast<std::size_t>(task);
          (*c.body)(c.total * i / c.tasks, c.total * (i + 1) / c.tasks, i);
        },
        &context);
  }
};

/// One entry of the flat list that a session runs.
struct Step {
  StepInfo info;
  std::vector<int> buffers;  ///< every buffer it reads or writes
  std::function<void(const Runtime&)> run;
};

/// A value worth looking at by name, complete after step `step`.
struct Stage {
  std::string name;
  Value value;
  int step = 0;
};

/// Fills a constant of the session (an operator resampled, resize taps) once its memory is there.
struct Constant {
  Value value;
  std::function<void(void*)> fill;
};

/// Everything a session needs to know: steps, where each buffer lies, how much memory there is.
struct Plan {
  Value input;    ///< [h + 2, w + 2, 3], the normalised image in a border of zeros
  Value output;   ///< logits
  Value scratch;  ///< free for whoever works on the logits afterwards; shares its bytes with dead activations
  std::vector<Step> steps;
  std::vector<Stage> stages;
  std::vector<Constant> constants;
  std::vector<std::size_t> offsets;  ///< of buffers, in elements
  std::size_t arena_bytes = 0;
  std::uint64_t macs = 0;
};

/// How a network is planned.
struct Options {
  int workers = 1;           ///< shares a step may be split into
  bool keep_stages = false;  ///< named stages live to the end
  bool fuse = true;          ///< layers may share a step where no stage is lost by it
};

/// Collects values and steps while a model describes itself, then gives every value its place.
class Builder {
 public:
  explicit Builder(const Options& options) : options_(options) {}

  const Options& options() const { return options_; }
  std::size_t workers() const { return static_cast<std::size_t>(options_.workers); }

  /// A value in a buffer of its own.
  Value value(std::size_t h, std::size_t w, std::size_t c);
  /// `bytes` of memory filled once, when the session is made, and kept.
  Value constant(std::size_t bytes, std::function<void(void*)> fill);
  /// Appends a step; `touches` are all values it reads or writes.
  void step(StepInfo info, const std::vector<Value>& touches, std::function<void(const Runtime&)> run);
  /// Names a value that is complete now.
  void stage(const std::string& name, const Value& value);
  /// Notes that the description names something impossible; finish() reports the first.
  void fail(Status status);

  /// Plans the memory. `scratch_elements` floats are added behind the last step.
  Result<Plan> finish(const Value& input, const Value& output, std::size_t scratch_elements);

 private:
  struct Buffer {
    std::size_t elements = 0;
    bool pinned = false;  ///< lives from before the first step to after the last
    int first = -1, last = -1;
  };

  Options options_;
  std::vector<Buffer> buffers_;
  Plan plan_;
  Status status_;
};

}  // namespace lemore::plan
