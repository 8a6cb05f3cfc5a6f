#pragma once

#include "lemore/image.h"
#include "lemore/status.h"
#include "plan/plan.h"
#include "weights/weight_file.h"

namespace lemore::models {

/// Describes LeMoRe for an input of `size` on a builder with `workers` shares per step, and plans its memory.
/// Errors    invalid_shape where a map would be too large.
/// Source    arXiv 2505.23093; the choices it leaves open are fields of LemoreConfig.
Result<plan::Plan> build_lemore(const WeightFile& weights, Size size, const plan::Options& options);

}  // namespace lemore::models
