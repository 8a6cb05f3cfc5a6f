#pragma once

#include <memory>
#include <optional>

#include "lemore/model.h"
#include "lemore/segmenter.h"
#include "lemore/session.h"
#include "lemore/status.h"
#include "run/job.h"

namespace lemore::cli {

/// What the network should store in a job.
struct EngineOptions {
  SegmenterOptions segmenter;
  bool wants_confidence = false;
  bool wants_logits = false;
};

/// The network behind `lemore run`: a Segmenter, or a Session for a classifier. One thread at a time.
class Engine {
 public:
  static Result<Engine> create(const Model& model, const EngineOptions& options);

  /// Computes labels, confidence and logits of `job.image`. Errors as Segmenter::segment.
  Status run(Job& job);

  Session& session() noexcept { return segmenter_ ? segmenter_->session() : *session_; }

 private:
  explicit Engine(const EngineOptions& options) : options_(options) {}

  EngineOptions options_;
  std::optional<Segmenter> segmenter_;
  std::optional<Session> session_;
};

}  // namespace lemore::cli
