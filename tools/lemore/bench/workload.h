#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image_io/image.h"
#include "lemore/session.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// What one run of a benchmark begins with and ends with; all of it in memory.
enum class BenchOutput : std::uint8_t {
  logits,  ///< float tensor [1, 3, h, w] to logits
  labels,  ///< the same to the label map at the network's input size
  image    ///< bytes of an image file to bytes of a PNG: decode, resize, network, label map, overlay, encode
};

/// A part of one run that is not a step of the network, and the milliseconds it took.
struct BenchPhase {
  const char* name;
  double milliseconds;
};

/// The inputs and buffers of a benchmark, made once so that runs measure the work alone.
class Workload {
 public:
  /// `session` must outlive it. `file`: the bytes of an image file for BenchOutput::image, or empty for a PNG drawn
  /// here (photograph_like) at the network's input size. Errors: out_of_memory; unsupported for what a classifier
  /// lacks; those of decode_image.
  static Result<Workload> create(Session& session, BenchOutput output, std::vector<std::uint8_t> file);

  /// One run. Errors: those of the session and the codecs.
  Status run();

  /// The phases of the last run in order; "network" stands for the session's steps.
  const std::vector<BenchPhase>& phases() const noexcept { return phases_; }
  /// Of BenchOutput::image: size and bytes of the image that goes in.
  Size image_size() const noexcept { return image_.size; }
  std::size_t file_bytes() const noexcept { return file_.size(); }
  /// What the reader of the file should know of it (Image::warning).
  const std::string& image_warning() const noexcept { return image_.warning; }

 private:
  Workload(Session& session, BenchOutput output) : session_(&session), output_(output) {}
  Status run_tensor();
  Status run_image();

  Session* session_;
  BenchOutput output_;
  std::vector<float> tensor_;
  std::vector<std::uint8_t> file_, labels_, encoded_;
  Image image_, scratch_;
  std::vector<BenchPhase> phases_;
};

/// A PNG that costs a codec and a network about what a photograph does: smooth shades, edges, grain; the same every
/// time. Errors: out_of_memory.
Status photograph_like(Size size, std::vector<std::uint8_t>& png);

}  // namespace lemore::cli
