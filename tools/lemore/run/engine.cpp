#include "run/engine.h"

#include <chrono>
#include <utility>

#include "npy.h"

namespace lemore::cli {

Result<Engine> Engine::create(const Model& model, const EngineOptions& options) {
  Engine engine(options);
  if (model.is_classifier()) {
    Result<Session> session = Session::create(model, SessionOptions(options.segmenter));
    if (!session.ok()) return session.status();
    engine.session_.emplace(std::move(*session));
    return Result<Engine>(std::move(engine));
  }
  Result<Segmenter> segmenter = Segmenter::create(model, options.segmenter);
  if (!segmenter.ok()) return segmenter.status();
  engine.segmenter_.emplace(std::move(*segmenter));
  return Result<Engine>(std::move(engine));
}

Status Engine::run(Job& job) {
  const ImageView view = job.image.view();
  if (segmenter_) {
    const std::size_t width = static_cast<std::size_t>(view.size.width);
    const std::size_t pixels = width * static_cast<std::size_t>(view.size.height);
    job.labels.resize(pixels);
    job.confidence.resize(options_.wants_confidence ? pixels : 0);
    const LabelView labels{job.labels.data(), view.size, width};
    const ConfidenceView confidence{job.confidence.data(), view.size, width};
    const Status status = segmenter_->segment(view, labels, options_.wants_confidence ? &confidence : nullptr);
    if (!status.ok()) return status;
    const PhaseTimes& times = segmenter_->last_times();
    job.times.prepare = times.prepare;
    job.times.network = times.network;
    job.times.labels = times.labels;
  } else {
    const auto start = std::chrono::steady_clock::now();
    if (session_->model().preprocessing().size_rule == SizeRule::native)
      if (const Status status = session_->resize(view.size); !status.ok()) return status;
    if (const Status status = session_->run(view); !status.ok()) return status;
    job.times.network = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
  if (options_.wants_logits) channels_first(session().logits(), job.logits_shape, job.logits);
  return Status();
}

}  // namespace lemore::cli
