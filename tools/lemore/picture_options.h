#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "lemore/model.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// The options of the pictures that `run` paints.
struct PictureOptions {
  double opacity = 0.5;
  bool outlines = false, legend = false;
  std::string palette = "distinct", font;
  std::vector<std::string> only;
  double min_confidence = 0;
  bool ignore_uncertain = false;
};
void add_picture_options(CLI::App& command, PictureOptions& options);

/// Checks options that need others. Errors: invalid_argument.
Status check_picture_options(const PictureOptions& options);

/// The colours of the model's classes, and which of them are painted. Errors: invalid_argument (an unknown class).
Result<Palette> choose_palette(const PictureOptions& options, const Model& model);

/// The value of uncertain pixels in the label map: the model's ignore value where it is no class, else 255; -1: they
/// keep their class. Errors: invalid_argument (256 classes leave no value free).
Result<int> choose_uncertain_label(const PictureOptions& options, const Model& model);

/// The first option given that has no meaning for a video, or null.
const char* option_not_for_video(const PictureOptions& options);

}  // namespace lemore::cli
