#pragma once

#include "lemore/image.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "plan/plan.h"

namespace lemore::detail {

/// The plan of a network with its weights for an input of `size`. Errors    invalid_shape for a size outside
/// Model::min_side()..k_max_input, or as the network's description has it.
Result<plan::Plan> build_plan(const WeightFile& weights, Size size, const plan::Options& options);

}  // namespace lemore::detail
