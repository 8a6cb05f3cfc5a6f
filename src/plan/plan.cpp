#include "plan/plan.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "plan/memory_plan.h"

namespace lemore::plan {

namespace {

// Larger than any arena a machine could hold: sizes below it cannot overflow when summed.
constexpr std::uint64_t k_max_elements = std::uint64_t{1} << 40;

}  // namespace

Value Builder::value(std::size_t h, std::size_t w, std::size_t c) {
  const std::uint64_t elements = Shape{h, w, c}.elements();
  if (elements > k_max_elements)
    fail({StatusCode::invalid_shape, "a map of " + Shape{h, w, c}.to_string() + " is too large"});
  buffers_.push_back({static_cast<std::size_t>(std::min(elements, k_max_elements)), false, -1, -1});
  Value v;
  v.buffer = static_cast<int>(buffers_.size()) - 1;
  v.h = h;
  v.w = w;
  v.c = c;
  v.stride = c;
  return v;
}

Value Builder::constant(std::size_t bytes, std::function<void(void*)> fill) {
  const Value v = value(1, 1, (bytes + sizeof(float) - 1) / sizeof(float));
  buffers_[static_cast<std::size_t>(v.buffer)].pinned = true;
  plan_.constants.push_back({v, std::move(fill)});
  return v;
}

void Builder::step(StepInfo info, const std::vector<Value>& touches, std::function<void(const Runtime&)> run) {
  const int index = static_cast<int>(plan_.steps.size());
  Step step;
  if (info.counted) plan_.macs += info.macs;
  step.info = std::move(info);
  step.run = std::move(run);
  for (const Value& v : touches) {
    if (v.buffer < 0) continue;  // an operand that is absent
    Buffer& buffer = buffers_[static_cast<std::size_t>(v.buffer)];
    if (buffer.first < 0) buffer.first = index;
    buffer.last = index;
    step.buffers.push_back(v.buffer);
  }
  plan_.steps.push_back(std::move(step));
}

void Builder::stage(const std::string& name, const Value& value) {
  plan_.stages.push_back({name, value, static_cast<int>(plan_.steps.size()) - 1});
  if (options_.keep_stages) buffers_[static_cast<std::size_t>(value.buffer)].pinned = true;
}

void Builder::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Result<Plan> Builder::finish(const Value& input, const Value& output, std::size_t scratch_elements) {
  if (!status_.ok()) return status_;
  plan_.input = input;
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
    return Status(StatusCode::out_of_memory,
                  "an arena of " + std::to_string(memory.arena_bytes) + " bytes is more than this machine can address");
  plan_.offsets.resize(memory.offsets.size());
  std::transform(memory.offsets.begin(), memory.offsets.end(), plan_.offsets.begin(),
                 [](std::uint64_t bytes) { return static_cast<std::size_t>(bytes / sizeof(float)); });
  return std::move(plan_);
}

}  // namespace lemore::plan
