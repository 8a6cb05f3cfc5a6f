#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/resize.h"

namespace lemore::kernels {

/// Most classes a label map can hold: a label is one byte.
constexpr size_t k_max_classes = 256;

/// Label map straight from small logits: label[y, x] = argmax over classes of the bilinearly enlarged logits; ties go
/// to the lower class. The enlarged logits are never written: between four neighbouring logits a class that lies below
/// another one at all four wins nowhere, so only the others are evaluated (with a margin for rounding, so that the
/// result equals the exhaustive one).
///
/// Shapes    logits [., w, classes] dense, channels last; labels row y at labels + y * label_stride, out_w values; rows
/// row_begin..row_end.
///           taps as in Resize; taps are non-decreasing.
/// Numbers   a NaN logit never wins; a pixel whose logits are all NaN gets class 0. Infinities are ordinary values.
/// Requires  1 <= classes <= 256.
struct LabelMap {
  size_t w = 0, classes = 0, out_w = 0;
  size_t row_begin = 0, row_end = 0;
  const ResizeTap* taps_y = nullptr;
  const ResizeTap* taps_x = nullptr;
  const float* logits = nullptr;
  uint8_t* labels = nullptr;
  size_t label_stride = 0;
};

/// Classes of already enlarged logits: for p < pixels, labels[p] = argmax of x[p * classes ...], ties to the lower
/// class, NaN never wins. x is dense [pixels, classes].
/// confidence[p] (may be null) = softmax probability of that class, among the logits that are numbers; 0 where none is,
/// 1 / k where k of them share an infinite maximum.
struct Argmax {
  size_t pixels = 0, classes = 0;
  const float* x = nullptr;
  uint8_t* labels = nullptr;
  float* confidence = nullptr;
};

}  // namespace lemore::kernels
