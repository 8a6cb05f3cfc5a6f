#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
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

  explicit operator bool() const { return buffer >= 0; }
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

/// The part of a step's work that one worker does: begin..end of what the step is split into.
struct Share {
  std::size_t begin = 0, end = 0;
  std::size_t worker = 0;  ///< which of the step's shares it is; memory of a worker's own is found by it

  std::size_t count() const { return end - begin; }
};

/// What a step sees while it runs: memory, kernels, threads.
struct Runtime {
  const kernels::KernelTable* kernels = nullptr;
  ParallelFor parallel;
  float* arena = nullptr;
  const std::size_t* offsets = nullptr;  ///< of buffers, in elements

  float* at(const Value& v) const { return arena + offsets[v.buffer] + v.offset; }

  /// body(share) for consecutive shares of 0..total, each of at least `grain`, one per worker. Shares depend on the
  /// number of workers, so a body must compute an element the same way wherever its share begins.
  template <typename Body>
  void split(std::size_t total, std::size_t grain, const Body& body) const {
    split(
        total, grain, [](const void* b, const Share& share) { (*static_cast<const Body*>(b))(share); }, &body);
  }

 private:
  using Call = void (*)(const void* body, const Share& share);
  void split(std::size_t total, std::size_t grain, Call call, const void* body) const;
};

/// A function object kept on the heap, moved but never copied. The object holds handles only, so nothing is to be done
/// when it goes.
template <typename... Args>
class Function {
 public:
  template <typename Body>
  Function(const Body& body)
      : call_([](const void* b, Args... args) { (*static_cast<const Body*>(b))(args...); }),
        body_(::operator new(sizeof(Body))) {
    static_assert(std::is_trivially_copyable_v<Body> && std::is_trivially_destructible_v<Body>);
    new (body_.get()) Body(body);
  }

  void operator()(Args... args) const { call_(body_.get(), args...); }

 private:
  struct Free {
    void operator()(void* p) const noexcept { ::operator delete(p); }
  };
  void (*call_)(const void* body, Args... args);
  std::unique_ptr<void, Free> body_;
};

/// Computes a share of a step.
using Work = Function<const Runtime&, const Share&>;
/// Fills a constant's memory.
using Fill = Function<void*>;

/// One entry of the flat list that a session runs.
struct Step {
  std::size_t total, grain;  ///< as Runtime::split has them
  Work work;

  void run(const Runtime& r) const {
    r.split(total, grain, [&](const Share& share) { work(r, share); });
  }
};

/// A value that can be read after a run, complete after step `step`.
struct Record {
  Value value;
  int step = 0;
};

/// Fills a constant of the session (an operator resampled, resize taps) once its memory is there.
struct Constant {
  Value value;
  Fill fill;
};

/// Everything a session needs to know: steps, where each buffer lies, how much memory there is.
struct Plan {
  Value input;  ///< the normalised image [h, w, 3] in a border of zeros
  std::size_t input_border = 0;
  Value output;   ///< logits
  Value scratch;  ///< free for whoever works on the logits afterwards; shares its bytes with dead activations
  std::vector<Step> steps;
  std::vector<StepInfo> infos;  ///< of the steps
  std::vector<Record> records;
  std::vector<std::string> record_names;
  std::vector<std::string> merged;  ///< stages of the trained network that are not computed
  std::vector<Constant> constants;
  std::vector<std::size_t> offsets;  ///< of buffers, in elements
  std::size_t arena_bytes = 0;
  std::uint64_t macs = 0;
};

/// How a network is planned.
struct Options {
  int workers = 1;            ///< shares a step may be split into
  bool keep_records = false;  ///< recorded values live to the end
  bool fuse = true;           ///< layers may share a step where no record is lost by it
};

/// What a step computes, as StepInfo has it.
struct Layer {
  const std::string& name;
  const char* op;
  const Value& output;
  std::uint64_t macs = 0;
  bool counted = true;
};

/// A value that a step reads or writes, or one that is absent.
struct Touched {
  Touched(const Value& v) : buffer(v.buffer) {}
  int buffer;
};

/// Collects values and steps while a graph is lowered, then gives every value its place.
class Builder {
 public:
  explicit Builder(const Options& options) : options_(options) {}

  const Options& options() const { return options_; }
  std::size_t workers() const { return static_cast<std::size_t>(options_.workers); }

  /// A value in a buffer of its own.
  Value value(std::size_t h, std::size_t w, std::size_t c);
  /// `bytes` of memory filled once, when the session is made, and kept.
  Value constant(std::size_t bytes, Fill fill);
  /// Appends a step that computes `layer`: work(runtime, share) over 0..total in shares of at least `grain`. `touched`
  /// are all values it reads or writes.
  void step(const Layer& layer, std::initializer_list<Touched> touched, std::size_t total, std::size_t grain,
            Work work);
  /// The last step reads or writes these too.
  void touch(std::initializer_list<Touched> touched);
  /// Names a value that is complete now.
  void record(const std::string& name, const Value& value);
  /// What the trained network needs or has beyond the steps: multiply-accumulates, and stages merged into others.
  void rewritten(std::uint64_t macs, std::vector<std::string>&& merged) {
    plan_.macs += macs;
    plan_.merged.swap(merged);
  }
  /// Notes that something cannot be planned; finish() reports the first.
  void fail(Status status);

  /// Plans the memory. `scratch_elements` floats are added behind the last step.
  Result<Plan> finish(const Value& input, std::size_t input_border, const Value& output, std::size_t scratch_elements);

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
