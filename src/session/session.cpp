#include "lemore/session.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>

#include "api/build_plan.h"
#include "core/build.h"
#include "core/guard.h"
#include "core/text.h"
#include "cpu/kernel_table.h"
#include "image/label_map.h"
#include "image/preprocess.h"
#include "image/protocol.h"
#include "session/session_data.h"

namespace lemore {

namespace detail {

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

Status check_threads(const ComputeOptions& options) {
  if (options.parallel_for) {
    if (options.parallel_for->run == nullptr || options.parallel_for->workers < 1)
      return {StatusCode::invalid_argument, "parallel_for: expected a function and at least 1 worker"};
  } else if (options.threads < 0 || options.threads > ThreadPool::k_max_threads) {
    return make_error(StatusCode::invalid_argument,
                      {"threads: expected 0..", ThreadPool::k_max_threads, ", got ", options.threads});
  }
  return {};
}

Result<Isa> choose_isa(const ComputeOptions& options) {
  if (!options.isa) return default_isa();
  if (Status status = check_isa(*options.isa); !status.ok()) return status;
  return *options.isa;
}

Size input_size(const Model& model, const SessionOptions& options) {
  return options.size == Size{0, 0} ? model.input_size() : options.size;
}

Status allocate(SessionData& s) {
  auto arena = Arena::create(s.plan.arena_bytes, s.options);
  if (!arena.ok()) return arena.status();
  s.arena = std::move(*arena);
  s.runtime.arena = s.arena.data();
  s.runtime.offsets = s.plan.offsets.data();
  s.times.resize(s.plan.infos.size());
  for (std::size_t i = 0; i < s.times.size(); ++i) s.times[i].name = s.plan.infos[i].name;
  s.prepare_taps.resize(static_cast<std::size_t>(s.size.height) + static_cast<std::size_t>(s.size.width));
  for (const plan::Constant& constant : s.plan.constants) constant.fill(s.runtime.at(constant.value));
  return {};
}

// A session of `options.size` on `parallel`, whose pool, if it is the session's own, the caller adds.
Result<std::unique_ptr<SessionData>> make_session(const Model& model, const SessionOptions& options,
                                                  const ParallelFor& parallel) {
  auto s = std::make_unique<SessionData>(model, options);
  s->size = input_size(model, options);
  const Result<Isa> isa = choose_isa(options);
  if (!isa.ok()) return isa.status();
  s->isa = *isa;
  s->runtime.kernels = &kernel_table(*isa);
  s->runtime.parallel = parallel;
  auto plan = build_plan(model.weights(), s->size, {parallel.workers, options.keep_stages, options.fuse});
  if (!plan.ok()) return plan.status();
  s->plan = std::move(*plan);
  if (Status status = allocate(*s); !status.ok()) return status;
  if constexpr (core::k_has_transformers)
    if (model.preprocessing().resize != ResizeRule::bilinear) s->resizer = std::make_unique<image::Resizer>();
  return s;
}

Shape nhwc_shape(const SessionData& s, const plan::Value& v) {
  const bool row_of_logits = s.model.is_classifier() && v.buffer == s.plan.output.buffer;
  return row_of_logits ? Shape{1, v.c} : Shape{1, v.h, v.w, v.c};
}

TensorView view_of(const SessionData& s, const plan::Value& v) {
  const Shape shape = nhwc_shape(s, v);
  return {s.runtime.at(v), DType::f32, shape, shape.rank() == 4 ? Layout::nhwc : Layout::plain};
}

}  // namespace

int workers_of(const ComputeOptions& options) {
  if (options.parallel_for) return options.parallel_for->workers;
  return options.threads > 0 ? options.threads : default_threads();
}

Result<plan::Plan> plan_session(const Model& model, const SessionOptions& options) {
  if (Status status = check_threads(options); !status.ok()) return status;
  if (const auto isa = choose_isa(options); !isa.ok()) return isa.status();
  return build_plan(model.weights(), input_size(model, options),
                    {workers_of(options), options.keep_stages, options.fuse});
}

void Arena::Free::operator()(void* p) const noexcept {
  if (allocator.release != nullptr) {
    allocator.release(allocator.context, p, bytes);
  } else {
    ::operator delete (p, std::align_val_t{k_alignment});
  }
}

Result<Arena> Arena::create(std::size_t bytes, const ComputeOptions& options, std::size_t taken) {
  Arena arena;
  const auto is_aligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % k_alignment == 0; };
  if (options.arena != nullptr) {
    if (!is_aligned(options.arena))
      return make_error(StatusCode::invalid_argument, {"arena: expected memory aligned to ", k_alignment, " bytes"});
    if (options.arena_bytes < taken || options.arena_bytes - taken < bytes)
      return make_error(StatusCode::invalid_argument,
                        {"arena: expected at least ", taken + bytes, " bytes, got ", options.arena_bytes});
    arena.data_ = static_cast<float*>(options.arena) + taken / sizeof(float);
    return arena;
  }
  const std::size_t asked = bytes > 0 ? bytes : 1;
  if (options.allocator) {
    const Allocator& a = *options.allocator;
    if (a.allocate == nullptr || a.release == nullptr)
      return Status(StatusCode::invalid_argument, "allocator: expected both functions");
    arena.owned_ = {a.allocate(a.context, asked, k_alignment), Free{a, asked}};
    if (!is_aligned(arena.owned_.get()))
      return make_error(StatusCode::invalid_argument,
                        {"allocator: expected memory aligned to ", k_alignment, " bytes"});
  } else {
    arena.owned_.reset(::operator new (asked, std::align_val_t{k_alignment}, std::nothrow));
  }
  if (arena.owned_ == nullptr)
    return make_error(StatusCode::out_of_memory, {"arena: ", bytes, " bytes could not be allocated"});
  arena.data_ = static_cast<float*>(arena.owned_.get());
  return arena;
}

SessionData::SessionData(const Model& m, const SessionOptions& o) : model(m), options(o) {}
SessionData::~SessionData() = default;

ImageView SessionData::resized(const ImageView& image, Size to) {
  if constexpr (core::k_has_transformers)
    if (resizer && to != image.size) return resizer->resize(runtime, model.preprocessing().resize, image, to);
  return image;
}

void SessionData::run_steps() noexcept {
  std::size_t next_record = 0;
  const auto start = Clock::now();
  auto before = start;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    plan.steps[i].run(runtime);
    if (profiling) {
      const auto now = Clock::now();
      times[i].milliseconds = milliseconds(before, now);
      before = now;
    }
    for (; next_record < plan.records.size() && plan.records[next_record].step == static_cast<int>(i); ++next_record) {
      const plan::Record& record = plan.records[next_record];
      if (observer != nullptr && options.keep_stages)
        observer(observer_context, plan.record_names[next_record], nhwc_shape(*this, record.value),
                 runtime.at(record.value));
    }
  }
  network_ms = milliseconds(start, Clock::now());
  has_run = true;
}

}  // namespace detail

using detail::guard;

Session::Session(std::unique_ptr<detail::SessionData> data) : data_(std::move(data)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<std::size_t> Session::arena_bytes(const Model& model, const SessionOptions& options) {
  return guard([&]() -> Result<std::size_t> {
    const auto plan = detail::plan_session(model, options);
    if (!plan.ok()) return plan.status();
    return plan->arena_bytes;
  });
}

Result<Session> Session::create(const Model& model, const SessionOptions& options) {
  return guard([&]() -> Result<Session> {
    if (Status status = detail::check_threads(options); !status.ok()) return status;
    ThreadPool pool;
    if (!options.parallel_for) {
      auto made = ThreadPool::create(detail::workers_of(options));
      if (!made.ok()) return made.status();
      pool = std::move(*made);
    }
    auto s = detail::make_session(model, options, options.parallel_for ? *options.parallel_for : pool.parallel_for());
    if (!s.ok()) return s.status();
    (*s)->pool = std::move(pool);
    return Session(std::move(*s));
  });
}

Status Session::resize(Size size) {
  if (size == data_->size) return {};
  return guard([&]() -> Status {
    SessionOptions options = data_->options;
    options.size = size;
    auto s = detail::make_session(data_->model, options, data_->runtime.parallel);
    if (!s.ok()) return s.status();
    (*s)->pool = std::move(data_->pool);
    (*s)->observer = data_->observer;
    (*s)->observer_context = data_->observer_context;
    (*s)->profiling = data_->profiling;
    (*s)->resizer = std::move(data_->resizer);
    (*s)->label_taps = std::move(data_->label_taps);
    data_ = std::move(*s);
    return {};
  });
}

Size Session::size() const noexcept { return data_->size; }
const Model& Session::model() const noexcept { return data_->model; }
Isa Session::isa() const noexcept { return data_->isa; }
int Session::threads() const noexcept { return data_->runtime.parallel.workers; }
std::size_t Session::arena_bytes() const noexcept { return data_->plan.arena_bytes; }

Status Session::run(const ImageView& image) {
  return guard([&]() -> Status {
    if (Status status = image::check_image(image); !status.ok()) return status;
    const auto start = detail::Clock::now();
    const ImageView view = data_->resized(image, data_->size);
    image::prepare(data_->runtime, data_->model.preprocessing(), view, data_->plan.input, data_->plan.input_border,
                   data_->prepare_taps.data());
    data_->prepare_ms = detail::milliseconds(start, detail::Clock::now());
    data_->run_steps();
    return {};
  });
}

Status Session::run_window(const ImageView& image, int top, int left) {
  return guard([&]() -> Status {
    if (Status status = image::check_image(image); !status.ok()) return status;
    const Size window = data_->size;
    if (top < 0 || left < 0 || top > image.size.height - window.height || left > image.size.width - window.width)
      return make_error(StatusCode::invalid_argument,
                        {"window of ", window, " at (", top, ", ", left, ") leaves the image"});
    ImageView part = image;
    part.data +=
        static_cast<std::size_t>(top) * image.row_bytes + static_cast<std::size_t>(left) * pixel_bytes(image.format);
    part.size = window;
    return run(part);
  });
}

Status Session::run(const TensorView& input) {
  return guard([&]() -> Status {
    const Shape expected{1, 3, static_cast<std::size_t>(data_->size.height),
                         static_cast<std::size_t>(data_->size.width)};
    if (input.data == nullptr || input.dtype != DType::f32 || input.shape != expected)
      return make_error(StatusCode::invalid_shape,
                        {"input: expected F32 ", expected, ", got ", dtype_name(input.dtype), " ", input.shape});
    const auto start = detail::Clock::now();
    image::prepare_nchw(data_->runtime, input.f32(), data_->plan.input, data_->plan.input_border);
    data_->prepare_ms = detail::milliseconds(start, detail::Clock::now());
    data_->run_steps();
    return {};
  });
}

TensorView Session::logits() const noexcept { return detail::view_of(*data_, data_->plan.output); }

Status Session::reserve_labels(Size size) {
  return guard([&]() -> Status {
    if (size.height < 1 || size.width < 1)
      return make_error(StatusCode::invalid_argument, {"label map of ", size, ": expected at least one pixel"});
    const LabelMapRule rule = data_->model.preprocessing().label_map;
    data_->label_taps.resize(std::max(data_->label_taps.size(), image::label_taps(data_->size, size, rule)));
    return {};
  });
}

Status Session::label_map(const LabelView& labels, const ConfidenceView* confidence) {
  return guard([&]() -> Status {
    detail::SessionData& s = *data_;
    if (s.model.is_classifier()) return {StatusCode::unsupported, "a classifier makes no label map"};
    if (!s.has_run) return {StatusCode::invalid_argument, "label_map before the first run"};
    if (Status status = image::check_labels(labels, confidence); !status.ok()) return status;
    if (Status status = reserve_labels(labels.size); !status.ok()) return status;
    image::LabelMap m;
    m.logits = s.plan.output;
    m.input = s.size;
    // At the network's own size the second of two steps is the identity.
    m.rule = labels.size == s.size ? LabelMapRule::direct : s.model.preprocessing().label_map;
    m.taps = s.label_taps.data();
    m.scratch = s.runtime.at(s.plan.scratch);
    image::prepare_label_taps(m, labels.size);
    image::label_map(s.runtime, m, labels, confidence);
    return {};
  });
}

const std::vector<StepInfo>& Session::steps() const noexcept { return data_->plan.infos; }
const std::vector<std::string>& Session::stage_names() const noexcept { return data_->plan.record_names; }

const std::vector<std::string>& Session::merged_stages() const noexcept { return data_->plan.merged; }

Result<TensorView> Session::stage(std::string_view name) const {
  return guard([&]() -> Result<TensorView> {
    const plan::Plan& plan = data_->plan;
    for (std::size_t i = 0; i < plan.records.size(); ++i) {
      const plan::Value& value = plan.records[i].value;
      if (plan.record_names[i] == name && (data_->options.keep_stages || value.buffer == plan.output.buffer))
        return detail::view_of(*data_, value);
    }
    if (!data_->options.keep_stages)
      return make_error(StatusCode::not_found, {"stage '", name, "': the session was made without keep_stages"});
    return make_error(StatusCode::not_found, {"no stage is called '", name, "'"});
  });
}

void Session::set_stage_observer(StageObserver observer, void* context) noexcept {
  data_->observer = observer;
  data_->observer_context = context;
}

void Session::set_profiling(bool on) noexcept { data_->profiling = on; }
const std::vector<StepTime>& Session::last_times() const noexcept { return data_->times; }
double Session::last_prepare_ms() const noexcept { return data_->prepare_ms; }
double Session::last_network_ms() const noexcept { return data_->network_ms; }

}  // namespace lemore
