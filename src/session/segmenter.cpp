#include "lemore/segmenter.h"

#include <algorithm>
#include <chrono>

#include "core/guard.h"
#include "core/text.h"
#include "image/label_map.h"
#include "image/preprocess.h"
#include "image/protocol.h"
#include "session/slide.h"

namespace lemore {

namespace detail {

struct SegmenterData {
  SegmenterData(const SegmenterOptions& o, Session&& s) : options(o), session(std::move(s)) {}

  SegmenterOptions options;
  Session session;
  Slide slide;
  PhaseTimes times;
#if !LEMORE_WITHOUT_TRANSFORMERS
  image::Resizer resizer;
#endif

  /// Runs the network on the whole image, resized as its weights' authors do it.
  Status run_whole(const ImageView& image);
};

}  // namespace detail

using detail::guard;

const char* mode_name(Mode mode) noexcept {
  switch (mode) {
    case Mode::whole:
      return "whole";
    case Mode::keep:
      return "keep";
    case Mode::slide:
      return "slide";
  }
  return "";
}

Status detail::SegmenterData::run_whole(const ImageView& image) {
#if !LEMORE_WITHOUT_TRANSFORMERS
  const Preprocessing& p = session.model().preprocessing();
  const Size target = image::target_size(p, session.model().input_size(), image.size);
  if (Status status = session.resize(target); !status.ok()) return status;
  if (p.resize != ResizeRule::bilinear && target != image.size)
    return session.run(resizer.resize(session.data().runtime, p.resize, image, target));
#endif
  return session.run(image);
}

namespace {

Status check_options(const Model& model, const SegmenterOptions& options) {
  if (model.is_classifier()) return {StatusCode::unsupported, "a classifier makes no label map"};
  const Size window = model.input_size(), stride = options.stride;
  const bool in_window =
      stride.height >= 1 && stride.width >= 1 && stride.height <= window.height && stride.width <= window.width;
  if (stride != Size{0, 0} && !in_window)
    return make_error(StatusCode::invalid_argument, {"stride ", stride, ": expected 1x1 up to the window's ", window});
  if (options.progress && options.progress->report == nullptr)
    return {StatusCode::invalid_argument, "progress: expected a function"};
  return {};
}

SessionOptions to_session_options(const SegmenterOptions& options) {
  SessionOptions o;
  o.threads = options.threads;
  o.parallel_for = options.parallel_for;
  o.isa = options.isa;
  o.arena = options.arena;
  o.arena_bytes = options.arena_bytes;
  o.allocator = options.allocator;
  return o;
}

}  // namespace

Segmenter::Segmenter(std::unique_ptr<detail::SegmenterData> data) : data_(std::move(data)) {}
Segmenter::Segmenter(Segmenter&&) noexcept = default;
Segmenter& Segmenter::operator=(Segmenter&&) noexcept = default;
Segmenter::~Segmenter() = default;

Result<std::size_t> Segmenter::arena_bytes(const Model& model, const SegmenterOptions& options, Size image) {
  return guard([&]() -> Result<std::size_t> {
    if (Status status = check_options(model, options); !status.ok()) return status;
    if (image.height < 1 || image.width < 1)
      return make_error(StatusCode::invalid_argument, {"image of ", image, ": expected at least one pixel"});
    SessionOptions session = to_session_options(options);
    const auto created = Session::arena_bytes(model, session);
    session.size = image;
#if LEMORE_WITHOUT_TRANSFORMERS
    if (options.mode == Mode::whole) return created;
#else
    if (options.mode == Mode::whole)
      session.size = image::target_size(model.preprocessing(), model.input_size(), image);
#endif
    if (!created.ok()) return created;
    if (options.mode == Mode::slide) {
      const auto window = detail::Slide::window_of(model, image);
      if (!window.ok()) return window.status();
      session.size = *window;
    }
    const auto plan = detail::plan_session(model, session);
    if (!plan.ok()) return plan.status();
    std::size_t bytes = plan->arena_bytes;
    if (options.mode == Mode::slide)
      bytes += detail::Slide::bytes(image, session.size, detail::Slide::stride_of(model, options), plan->output,
                                    detail::workers_of(session));
    return std::max(*created, bytes);
  });
}

Result<Segmenter> Segmenter::create(const Model& model, const SegmenterOptions& options) {
  return guard([&]() -> Result<Segmenter> {
    if (Status status = check_options(model, options); !status.ok()) return status;
    auto session = Session::create(model, to_session_options(options));
    if (!session.ok()) return session.status();
    return Segmenter(std::unique_ptr<detail::SegmenterData>(new detail::SegmenterData(options, std::move(*session))));
  });
}

Status Segmenter::segment(const ImageView& image, const LabelView& labels, const ConfidenceView* confidence) {
  return guard([&]() -> Status {
    detail::SegmenterData& d = *data_;
    d.times = {};
    if (Status status = image::check_image(image); !status.ok()) return status;
    if (Status status = image::check_labels(labels, confidence); !status.ok()) return status;
    if (labels.size != image.size)
      return make_error(StatusCode::invalid_argument,
                        {"label view of ", labels.size, ": expected the image's ", image.size});
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point t) {
      return std::chrono::duration<double, std::milli>(Clock::now() - t).count();
    };

    const auto start = Clock::now();
    if (d.options.mode == Mode::slide) return d.slide.segment(d.session, d.options, image, labels, confidence, d.times);
    const bool is_whole = d.options.mode == Mode::whole;
    if (!is_whole)
      if (Status status = d.session.resize(image.size); !status.ok()) return status;
    if (Status status = is_whole ? d.run_whole(image) : d.session.run(image); !status.ok()) return status;
    d.times.network = d.session.last_network_ms();
    d.times.prepare = since(start) - d.times.network;
    const auto ran = Clock::now();
    if (Status status = d.session.label_map(labels, confidence); !status.ok()) return status;
    d.times.labels = since(ran);
    return {};
  });
}

Session& Segmenter::session() noexcept { return data_->session; }
const PhaseTimes& Segmenter::last_times() const noexcept { return data_->times; }
const SegmenterOptions& Segmenter::options() const noexcept { return data_->options; }

}  // namespace lemore
