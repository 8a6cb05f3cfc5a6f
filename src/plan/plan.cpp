#include "plan/plan.h"

#include <algorithm>
#include <cstdint>

#include "core/text.h"
#include "plan/memory_plan.h"

namespace lemore::plan {

namespace {

// Larger than any arena a machine could hold: sizes below it cannot overflow when summed.
constexpr std::uint64_t k_max_elements = std::uint64_t{1} << 40;

}  // namespace

void Runtime::split(std::size_t total, std::size_t grain, Call call, const void* body) const {
  const std::size_t tasks = std::min((total + grain - 1) / grain, static_cast<std::size_t>(parallel.workers));
  if (tasks <= 1) {
    if (total > 0) call(body, {0, total, 0});
    return;
  }
  struct Context {
    Call call;
    const void* body;
    std::size_t total, tasks;
  } context{call, body, total, tasks};
  parallel.run(
      parallel.context, static_cast<int>(tasks),
      [](void* p, int task) {
        const auto& c = *static_cast<const Context*>(p);
        const auto i = static_cast<std::size_t>(task);
        c.call(c.body, {c.total * i / c.tasks, c.total * (i + 1) / c.tasks, i});
      },
      &context);
}

Value Builder::value(std::size_t h, std::size_t w, std::size_t c) {
  const std::uint64_t elements = Shape{h, w, c}.elements();
  if (elements > k_max_elements)
    fail(make_error(StatusCode::invalid_shape, {"a map of ", Shape{h, w, c}, " is too large"}));
  buffers_.push_back({static_cast<std::size_t>(std::min(elements, k_max_elements)), false, -1, -1});
  Value v;
  v.buffer = static_cast<int>(buffers_.size()) - 1;
  v.h = h;
  v.w = w;
  v.c = c;
  v.stride = c;
  return v;
}

Value Builder::constant(std::size_t bytes, Fill fill) {
  const Value v = value(1, 1, (bytes + sizeof(float) - 1) / sizeof(float));
  buffers_[static_cast<std::size_t>(v.buffer)].pinned = true;
  plan_.constants.push_back({v, std::move(fill)});
  return v;
}

void Builder::step(const Layer& layer, std::initializer_list<Touched> touched, std::size_t total, std::size_t grain,
                   Work work) {
  const Value& y = layer.output;
  if (layer.counted) plan_.macs += layer.macs;
  plan_.infos.push_back({layer.name, layer.op, {y.h, y.w, y.c}, layer.macs, layer.counted});
  plan_.steps.push_back({total, grain, std::move(work)});
  touch(touched);
}

void Builder::touch(std::initializer_list<Touched> touched) {
  const int step = static_cast<int>(plan_.steps.size()) - 1;
  for (const Touched& value : touched) {
    if (value.buffer < 0) continue;
    Buffer& buffer = buffers_[static_cast<std::size_t>(value.buffer)];
    if (buffer.first < 0) buffer.first = step;
    buffer.last = step;
  }
}

void Builder::record(const std::string& name, const Value& value) {
  plan_.records.push_back({value, static_cast<int>(plan_.steps.size()) - 1});
  plan_.record_names.push_back(name);
  if (options_.keep_records) buffers_[static_cast<std::size_t>(value.buffer)].pinned = true;
}

void Builder::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Result<Plan> Builder::finish(const Value& input, std::size_t input_border, const Value& output,
                             std::size_t scratch_elements) {
  if (!status_.ok()) return status_;
  plan_.input = input;
  plan_.input_border = input_border;
  plan_.output = output;
  plan_.scratch = value(1, 1, scratch_elements);
  if (!status_.ok()) return status_;

  const int behind = static_cast<int>(plan_.steps.size());
  std::vector<LiveRange> ranges;
  ranges.reserve(buffers_.size());
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& b = buffers_[i];
    LiveRange range{std::uint64_t{b.elements} * sizeof(float), b.first, b.last};
    if (b.pinned) range = {range.bytes, -1, behind};
    if (static_cast<int>(i) == input.buffer) range.first = -1;  // written before the first step
    if (static_cast<int>(i) == output.buffer) range.last = behind;
    if (static_cast<int>(i) == plan_.scratch.buffer) range = {range.bytes, behind, behind};
    ranges.push_back(range);
  }
  MemoryPlan memory = plan_memory(ranges);
  plan_.arena_bytes = static_cast<std::size_t>(memory.arena_bytes);
  if (plan_.arena_bytes != memory.arena_bytes)
    return make_error(StatusCode::out_of_memory,
                      {"an arena of ", memory.arena_bytes, " bytes is more than this machine can address"});
  plan_.offsets.resize(memory.offsets.size());
  std::transform(memory.offsets.begin(), memory.offsets.end(), plan_.offsets.begin(),
                 [](std::uint64_t bytes) { return static_cast<std::size_t>(bytes / sizeof(float)); });
  return std::move(plan_);
}

}  // namespace lemore::plan
