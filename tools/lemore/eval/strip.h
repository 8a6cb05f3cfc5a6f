#pragma once

#include <cstdint>
#include <vector>

#include "eval/label_values.h"
#include "image_io/image.h"
#include "lemore/status.h"
#include "render/pictures.h"

namespace lemore::cli {

/// Photo, truth and prediction side by side as a PNG; pixels that are ignored in the truth are black. `bytes` is
/// overwritten. Requires three of one size. Errors: out_of_memory.
Status encode_strip(const Image& photo, const LabelMap& annotation, const LabelMap& prediction,
                    const LabelValues& values, const Palette& palette, std::vector<std::uint8_t>& bytes);

}  // namespace lemore::cli
