#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "eval/confusion.h"
#include "eval/label_meanings.h"
#include "eval/label_values.h"
#include "eval/pairs.h"
#include "image_io/decode.h"
#include "image_io/image.h"
#include "lemore/model.h"
#include "lemore/segmenter.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// Takes one pair after another: reads both files, segments the image, counts. One per thread; its memory is that of
/// the largest image so far.
class Evaluator {
 public:
  /// `options.threads` of its own. `meanings`, if given, say what annotations mean instead of the model's labels; they
  /// must outlive it.
  static Result<Evaluator> create(const Model& model, const SegmenterOptions& options, const DecodeLimits& limits,
                                  const LabelMeanings* meanings = nullptr);

  /// Errors    those of reading either file, of its values, of sizes that differ, of Segmenter::segment. Messages name
  /// the file, or both.
  Status evaluate(const Pair& pair);

  /// Asked before memory is taken for a photo's pixels (DecodeLimits::admit), and again for its annotation's.
  void set_admission(std::function<Status(std::uint64_t pixels)> admit) { limits_.admit = std::move(admit); }
  /// Gives back the memory of the last pair, which can't be asked for then.
  void release_memory();

  // Of the last pair that was evaluated without an error:
  const Image& photo() const noexcept { return photo_; }
  /// Values as values() takes them: those of the file, or with label meanings their codes.
  LabelMap annotation() const noexcept { return {annotation_.size, annotation_.pixels.data()}; }
  LabelMap prediction() const noexcept { return {photo_.size, prediction_.data()}; }
  const Confusion& counts() const noexcept { return counts_; }

  const LabelValues& values() const noexcept { return values_; }
  Session& session() noexcept { return segmenter_.session(); }

 private:
  Evaluator(const Model& model, Segmenter segmenter, const DecodeLimits& limits, const LabelMeanings* meanings);
  Status read_annotation(const std::string& path);
  Status decode_annotation();
  Status read_photo(const std::string& path);

  Segmenter segmenter_;
  DecodeLimits limits_;
  const LabelMeanings* meanings_;
  LabelValues values_;
  std::vector<std::uint8_t> file_, prediction_;
  Image photo_, annotation_, scratch_;
  LabelSamples samples_;
  Confusion counts_;
};

}  // namespace lemore::cli
