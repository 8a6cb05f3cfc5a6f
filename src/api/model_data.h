#pragma once

#include "lemore/model.h"
#include "plan/plan.h"
#include "weights/weight_file.h"

namespace lemore::detail {

/// What every handle of a model shares.
struct ModelData {
  WeightFile weights;
};

/// The plan of `model` for an input of `size`. Errors: invalid_shape for a size outside k_min_input..k_max_input.
Result<plan::Plan> build_plan(const ModelData& model, Size size, const plan::Options& options);

}  // namespace lemore::detail
