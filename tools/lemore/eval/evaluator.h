#pragma once

#include <cstdint>
#include <vector>

#include "eval/confusion.h"
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
  /// `options.threads` of its own.
  static Result<Evaluator> create(const Model& model, const SegmenterOptions& options, const DecodeLimits& limits);

  /// Errors    those of reading either file, of its values, of sizes that differ, of Segmenter::segment. Messages name
  /// the file, or both.
  Status evaluate(const Pair& pair);

  // Of the last pair that was evaluated without an error:
  const Image& photo() const noexcept { return photo_; }
  LabelMap annotation() const noexcept { return {annotation_.size, annotation_.pixels.data()}; }
  LabelMap prediction() const noexcept { return {photo_.size, prediction_.data()}; }
  const Confusion& counts() const noexcept { return counts_; }

  const LabelValues& values() const noexcept { return values_; }
  Session& session() noexcept { return segmenter_.session(); }

 private:
  Evaluator(const Model& model, Segmenter segmenter, const DecodeLimits& limits);
  Status read_annotation(const std::string& path);
  Status read_photo(const std::string& path);

  Segmenter segmenter_;
  DecodeLimits limits_;
  LabelValues values_;
  std::vector<std::uint8_t> file_, prediction_;
  Image photo_, annotation_, scratch_;
  Confusion counts_;
};

}  // namespace lemore::cli
