#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lemore/image.h"
#include "lemore/tensor.h"

namespace lemore::cli {

/// How far two tensors of the same shape are apart.
struct Difference {
  double max_abs = 0;   ///< largest |got - reference|; infinite where one of them is not finite and they differ
  double relative = 0;  ///< max_abs / max |reference| (max_abs itself where the reference is all zero)
  double cosine = 1;    ///< of the two as vectors; 1 where both are zero
};

/// Compares `got` (channels last: pixels x channels) with `reference` (channels first: channels x pixels).
Difference compare_stage(const float* got, const float* reference, std::size_t channels, std::size_t pixels);

/// The label map of logits [classes, h, w] at `size`, by its definition in double precision: bilinear with
/// half-pixel centres, then the largest; ties go to the lower class. Plain loops: a witness, not a tool.
std::vector<std::uint8_t> reference_labels(const float* logits, std::size_t classes, Size logits_size, Size size);

}  // namespace lemore::cli
