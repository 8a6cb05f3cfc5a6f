#pragma once

#include <cstdint>
#include <string>

#include "lemore/model.h"
#include "lemore/segmenter.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

struct FramesOptions {
  std::string format;               ///< "y4m" or "raw:WxH:rgb24"
  std::string colorspace = "auto";  ///< "auto", "bt601" or "bt709"
  double fps = 0;                   ///< pace; 0: as fast as they come
  double opacity = 0.5;
  std::uint64_t max_pixels = 0;
  SegmenterOptions segmenter;
};

/// Reads frames from standard input, paints their classes over them and writes as many to standard output, each before
/// the next is read. With a pace, a frame that is late by more than one frame's time is not segmented: it gets the
/// classes of the one before and counts as dropped. At the end one line of numbers on stderr.
/// Errors    invalid_argument (the options), invalid_file (a stream that is empty, damaged or cut short: names the
///           frame), unsupported, io_error, those of Segmenter
Status run_frames(const Model& model, const Palette& palette, const FramesOptions& options);

}  // namespace lemore::cli
