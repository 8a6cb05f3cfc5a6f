#include "lemore/segmenter.h"

#include <algorithm>
#include <chrono>

#include "core/build.h"
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
};

}  // namespace detail

using detail::guard;

const char* mode_name(Mode mode) noexcept {
  for (const ModeInfo& info : k_modes)
    if (info.mode == mode) return info.name;
  return "";
}

Mode tested_mode(const Model& model) noexcept {
  const Preprocessing& p = model.preprocessing();
  // Windows of the input's size over an image of that size are the image.
  return p.slide && p.size_rule != SizeRule::exact ? Mode::slide : Mode::whole;
}

namespace {

using Clock = std::chrono::steady_clock;

/// The size at which the network sees an image: as a whole, or in windows.
Size prepared_size(const Model& model, Mode mode, Size image) {
  if (mode == Mode::native) return image;
  if constexpr (core::k_has_transformers) {
    const Preprocessing& p = model.preprocessing();
    return mode == Mode::slide ? image::slid_size(p, image) : image::target_size(p, model.input_size(), image);
  } else {
    return mode == Mode::slide ? image : model.input_size();
  }
}

double since(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }

Status check_options(const Model& model, const SegmenterOptions& options) {
  if (model.is_classifier()) return {StatusCode::unsupported, "a classifier makes no label map"};
  const Size window = model.input_size(), stride = options.stride;
  const bool in_window =
      stride.height >= 1 && stride.width >= 1 && stride.height <= window.height && stride.width <= window.width;
  if (stride != Size{0, 0} && !in_window)
    return make_error(StatusCode::invalid_argument, {"stride ", stride, ": expected 1x1 up to the window's ", window});
  // Whether images are resized at all does not depend on their size.
  if (options.mode == Mode::slide && model.preprocessing().resize == ResizeRule::bilinear &&
      prepared_size(model, Mode::slide, {1, 1}) != Size{1, 1})
    return {StatusCode::unsupported, "windows over a resized image need a resize of 8-bit pixels, opencv or pillow"};
  if (options.progress && options.progress->report == nullptr)
    return {StatusCode::invalid_argument, "progress: expected a function"};
  return {};
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
    SessionOptions session(options);
    const auto created = Session::arena_bytes(model, session);
    if (!created.ok()) return created;
    const Size size = prepared_size(model, options.mode, image);
    session.size = size;
    if (options.mode == Mode::slide) {
      const auto window = detail::Slide::window_of(model, size);
      if (!window.ok()) return window.status();
      session.size = *window;
    }
    const auto plan = detail::plan_session(model, session);
    if (!plan.ok()) return plan.status();
    std::size_t bytes = plan->arena_bytes;
    if (options.mode == Mode::slide)
      bytes += detail::Slide::bytes(size, image, session.size, detail::Slide::stride_of(model, options), plan->output,
                                    detail::workers_of(session));
    return std::max(*created, bytes);
  });
}

Result<Segmenter> Segmenter::create(const Model& model, const SegmenterOptions& options) {
  return guard([&]() -> Result<Segmenter> {
    if (Status status = check_options(model, options); !status.ok()) return status;
    auto session = Session::create(model, SessionOptions(options));
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
    const auto start = Clock::now();
    const Size size = prepared_size(d.session.model(), d.options.mode, image.size);
    if (d.options.mode == Mode::slide) {
      const ImageView view = d.session.data().resized(image, size);
      d.times.prepare = since(start);
      return d.slide.segment(d.session, d.options, view, labels, confidence, d.times);
    }
    if (Status status = d.session.resize(size); !status.ok()) return status;
    if (Status status = d.session.run(image); !status.ok()) return status;
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
