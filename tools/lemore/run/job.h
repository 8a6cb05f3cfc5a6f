#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "file_io.h"
#include "image_io/image.h"
#include "lemore/status.h"
#include "lemore/tensor.h"

namespace lemore::cli {

/// Milliseconds of each phase of one image.
struct JobTimes {
  double decode = 0, prepare = 0, network = 0, labels = 0, encode = 0;

  JobTimes& operator+=(const JobTimes& o) noexcept {
    decode += o.decode;
    prepare += o.prepare;
    network += o.network;
    labels += o.labels;
    encode += o.encode;
    return *this;
  }
};

/// One image on its way from file to outputs. There are a few of them, whose memory is used for one image after
/// another.
struct Job {
  std::size_t place = 0;    ///< in the list of inputs
  bool is_skipped = false;  ///< --resume: its outputs are all there
  bool is_again = false;    ///< --resume: they were of another image
  Status status;
  JobTimes times;

  std::vector<std::uint8_t> file;  ///< bytes of the image file
  std::size_t file_bytes = 0;
  std::string format;
  Image image, scratch;

  std::vector<std::uint8_t> labels;  ///< as large as the image; empty for a classifier
  std::vector<float> confidence;     ///< likewise, if asked for
  std::vector<float> logits;         ///< [classes, h, w] or [classes], if asked for
  Shape logits_shape;

  std::vector<std::uint8_t> encoded;

  std::optional<FileStamp> stamp;  ///< of the image file, before it was read
  std::uint64_t held_bytes = 0;    ///< of the memory that images in flight may take
  bool is_admitted = false;        ///< its pixels are counted in held_bytes

  /// Gives the large buffers back.
  void release_memory() {
    Job empty;
    file.swap(empty.file);
    labels.swap(empty.labels);
    confidence.swap(empty.confidence);
    logits.swap(empty.logits);
    encoded.swap(empty.encoded);
    std::swap(image, empty.image);
    std::swap(scratch, empty.scratch);
  }
};

}  // namespace lemore::cli
