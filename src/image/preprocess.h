#pragma once

#include "kernels/ops/resize.h"
#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "plan/plan.h"

namespace lemore::image {

/// Errors    invalid_argument for a null or empty image or rows that are too narrow.
Status check_image(const ImageView& image);

/// Resizes and normalises `image` into the interior of `input` [h + 2 border, w + 2 border, 3] and zeroes its border.
/// taps: h + w of them, filled here.
void prepare(const plan::Runtime& r, const Preprocessing& p, const ImageView& image, const plan::Value& input,
             std::size_t border, kernels::ResizeTap* taps);

/// Copies a normalised float image [3, h, w] into the interior of `input` and zeroes its border.
void prepare_nchw(const plan::Runtime& r, const float* nchw, const plan::Value& input, std::size_t border);

}  // namespace lemore::image
