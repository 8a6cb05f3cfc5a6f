#pragma once

#include <cstdint>

#include "run/inputs.h"
#include "run/manifest.h"
#include "run/output_kinds.h"

namespace lemore::cli {

/// What --resume finds out about an input.
enum class Found : std::uint8_t {
  nothing,         ///< an output is missing, or the input has no line in a manifest that tells what it was made with
  done,            ///< all outputs are there, made of this image with this model and these options
  of_other_model,  ///< as the manifest says
  of_other_options,
  of_other_image  ///< the image is not the one that the manifest has, or without manifest newer than an output
};

/// Looks at the files. `manifest` may be null.
Found find_outputs(const Input& input, const OutputNames& names, const OutputKinds& kinds, const Manifest* manifest);

}  // namespace lemore::cli
