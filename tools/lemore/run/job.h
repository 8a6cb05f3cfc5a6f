#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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

/// One image on its way from file to outputs. A few of them go round and round, so their memory is used again.
struct Job {
  std::size_t place = 0;    ///< in the list of inputs
  bool is_skipped = false;  ///< --resume: its outputs are all there
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
};

}  // namespace lemore::cli
