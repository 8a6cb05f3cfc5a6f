#include "eval/evaluator.h"

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "file_io.h"
#include "image_io/codec_png.h"
#include "options.h"
#include "report.h"

namespace lemore::cli {

Evaluator::Evaluator(const Model& model, Segmenter segmenter, const DecodeLimits& limits, const LabelMeanings* meanings)
    : segmenter_(std::move(segmenter)),
      limits_(limits),
      meanings_(meanings),
      values_(meanings != nullptr ? meanings->values() : LabelValues(model)),
      counts_(model.classes().size()) {}

Result<Evaluator> Evaluator::create(const Model& model, const SegmenterOptions& options, const DecodeLimits& limits,
                                    const LabelMeanings* meanings) {
  Result<Segmenter> segmenter = Segmenter::create(model, options);
  if (!segmenter.ok()) return segmenter.status();
  return Evaluator(model, std::move(*segmenter), limits, meanings);
}

Status Evaluator::decode_annotation() {
  const std::uint8_t* data = file_.data();
  if (meanings_ == nullptr) {
    const Status status = decode_label_png(data, file_.size(), limits_, annotation_);
    return status.ok() ? values_.check(annotation()) : status;
  }
  if (meanings_->is_by_color()) {
    const Status status = decode_label_colors(data, file_.size(), limits_, scratch_);
    return status.ok() ? meanings_->translate(scratch_, annotation_) : status;
  }
  const Status status = decode_label_samples(data, file_.size(), limits_, samples_);
  return status.ok() ? meanings_->translate(samples_, annotation_) : status;
}

Status Evaluator::read_annotation(const std::string& path) {
  if (const Status status = read_file(path, file_, k_max_image_file_bytes); !status.ok()) return status;
  return about(path, decode_annotation());
}

Status Evaluator::read_photo(const std::string& path) {
  if (const Status status = read_file(path, file_, k_max_image_file_bytes); !status.ok()) return status;
  return about(path, decode_image(file_.data(), file_.size(), limits_, photo_, scratch_));
}

void Evaluator::release_memory() {
  std::vector<std::uint8_t>().swap(file_);
  std::vector<std::uint8_t>().swap(prediction_);
  photo_ = Image();
  annotation_ = Image();
  scratch_ = Image();
  samples_ = LabelSamples();
}

Status Evaluator::evaluate(const Pair& pair) {
  if (const Status status = read_photo(pair.image); !status.ok()) return status;
  if (const Status status = read_annotation(pair.label); !status.ok()) return status;
  if (photo_.size != annotation_.size) {
    return Status(StatusCode::invalid_shape, pair.image + " has " + to_text(photo_.size) +
                                                 " pixels (height x width), but " + pair.label + " has " +
                                                 to_text(annotation_.size));
  }
  const auto width = static_cast<std::size_t>(photo_.size.width);
  prediction_.resize(width * static_cast<std::size_t>(photo_.size.height));
  const Status status = segmenter_.segment(photo_.view(), LabelView{prediction_.data(), photo_.size, width});
  if (!status.ok()) return about(pair.image, status);
  counts_.clear();
  counts_.count(annotation(), prediction(), values_);
  return Status();
}

}  // namespace lemore::cli
