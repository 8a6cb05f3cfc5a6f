#include "bench/workload.h"

#include <chrono>
#include <cmath>
#include <utility>

#include "image_io/codec_png.h"
#include "image_io/decode.h"

namespace lemore::cli {

namespace {

/// Repeatable values; the same on every machine.
class Noise {
 public:
  /// 0..1.
  float next() noexcept {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / 16777216.0f;
  }

 private:
  std::uint32_t state_ = 1;
};

/// Milliseconds since the last lap.
class Stopwatch {
 public:
  double lap() noexcept {
    const auto now = Clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

std::size_t pixels_of(Size size) {
  return static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width);
}

}  // namespace

Status photograph_like(Size size, std::vector<std::uint8_t>& png) {
  struct Painter {
    Size size;
    Noise noise;
  } painter{size, {}};
  PictureRows picture;
  picture.size = size;
  picture.photographic = true;
  picture.context = &painter;
  picture.fill_row = [](void* context, int y, std::uint8_t* row) {
    Painter& p = *static_cast<Painter*>(context);
    const float v = static_cast<float>(y) / static_cast<float>(p.size.height);
    for (int x = 0; x < p.size.width; ++x) {
      const float u = static_cast<float>(x) / static_cast<float>(p.size.width);
      // A sky that pales, houses of different heights, a road; light that varies slowly, and grain.
      const float roof = 0.35f + 0.1f * std::sin(std::floor(u * 9.0f) * 2.4f);
      const float shade = 18.0f * std::sin(13.0f * u + 5.0f * v) + 16.0f * (p.noise.next() - 0.5f);
      const bool is_sky = v < roof, is_window = !is_sky && v < 0.6f && std::sin(90.0f * u) * std::sin(70.0f * v) > 0.3f;
      const float base = is_sky ? 170.0f + 60.0f * v : is_window ? 60.0f : v < 0.6f ? 140.0f : 95.0f;
      const float tint[3] = {is_sky ? -40.0f : 12.0f, 0.0f, is_sky ? 30.0f : -12.0f};
      for (int i = 0; i < 3; ++i) {
        const float value = std::fmin(std::fmax(base + shade + tint[i], 0.0f), 255.0f);
        row[3 * x + i] = static_cast<std::uint8_t>(value);
      }
    }
  };
  return encode_png(picture, png);
}

Result<Workload> Workload::create(Session& session, BenchOutput output, std::vector<std::uint8_t> file) {
  if (output != BenchOutput::logits && session.model().is_classifier())
    return Status(StatusCode::unsupported, "a classifier makes no label map");
  Workload w(session, output);
  Size map = session.size();
  if (output == BenchOutput::image) {
    w.file_ = std::move(file);
    if (w.file_.empty()) {
      if (Status status = photograph_like(map, w.file_); !status.ok()) return status;
    }
    if (Status status = decode_image(w.file_.data(), w.file_.size(), {}, w.image_, w.scratch_); !status.ok())
      return status;
    map = w.image_.size;
  } else {
    w.tensor_.resize(3 * pixels_of(map));
    Noise noise;
    for (float& x : w.tensor_) x = 4.0f * noise.next() - 2.0f;  // about what a normalised photograph spans
  }
  if (output != BenchOutput::logits) {
    w.labels_.resize(pixels_of(map));
    if (Status status = session.reserve_labels(map); !status.ok()) return status;
  }
  return Result<Workload>(std::move(w));
}

Status Workload::run() { return output_ == BenchOutput::image ? run_image() : run_tensor(); }

Status Workload::run_tensor() {
  const Size size = session_->size();
  const auto h = static_cast<std::size_t>(size.height), w = static_cast<std::size_t>(size.width);
  phases_.clear();
  Stopwatch watch;
  const Status status = session_->run(TensorView(tensor_.data(), DType::f32, Shape{1, 3, h, w}, Layout::nchw));
  if (!status.ok()) return status;
  const double run_ms = watch.lap();
  phases_.push_back({"prepare", run_ms - session_->last_network_ms()});
  phases_.push_back({"network", session_->last_network_ms()});
  if (output_ == BenchOutput::logits) return Status();
  if (Status mapped = session_->label_map({labels_.data(), size, w}); !mapped.ok()) return mapped;
  phases_.push_back({"label_map", watch.lap()});
  return Status();
}

Status Workload::run_image() {
  phases_.clear();
  Stopwatch watch;
  if (Status status = decode_image(file_.data(), file_.size(), {}, image_, scratch_); !status.ok()) return status;
  phases_.push_back({"decode", watch.lap()});
  if (Status status = session_->run(image_.view()); !status.ok()) return status;
  const double run_ms = watch.lap();
  phases_.push_back({"prepare", run_ms - session_->last_network_ms()});
  phases_.push_back({"network", session_->last_network_ms()});
  const LabelView labels{labels_.data(), image_.size, static_cast<std::size_t>(image_.size.width)};
  if (Status status = session_->label_map(labels); !status.ok()) return status;
  phases_.push_back({"label_map", watch.lap()});
  const Palette palette(session_->model().classes());
  const Status status = encode_overlay(image_, {image_.size, labels_.data()}, palette, {}, nullptr, encoded_);
  if (!status.ok()) return status;
  phases_.push_back({"encode", watch.lap()});
  return Status();
}

}  // namespace lemore::cli
