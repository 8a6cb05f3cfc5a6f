#pragma once

#include <cstddef>

#include "kernels/ops/resize.h"
#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "plan/plan.h"

namespace lemore::image {

/// Columns of enlarged logits a worker holds at a time, where they are needed at all.
constexpr std::size_t k_label_tile = 128;

/// Floats of scratch that label_map needs for these logits and this many workers.
std::size_t label_scratch(const plan::Value& logits, Size input, LabelMapRule rule, int workers);

/// Taps that label_map needs for an output of `out`.
std::size_t label_taps(Size input, Size out, LabelMapRule rule);

/// Errors    invalid_argument for null or empty views, rows that are too narrow, views of different sizes.
Status check_labels(const LabelView& labels, const ConfidenceView* confidence);

/// What label_map works on.
struct LabelMap {
  plan::Value logits;
  Size input;  ///< of the network: the step between, for LabelMapRule::two_step
  LabelMapRule rule = LabelMapRule::direct;
  kernels::ResizeTap* taps = nullptr;  ///< label_taps of them, filled by prepare_label_taps for the size of `labels`
  float* scratch = nullptr;            ///< label_scratch floats
};

void prepare_label_taps(const LabelMap& m, Size out);

/// Label of each pixel and, if given, the softmax probability of it.
void label_map(const plan::Runtime& r, const LabelMap& m, const LabelView& labels, const ConfidenceView* confidence);

}  // namespace lemore::image
