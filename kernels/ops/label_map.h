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

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, LabelMap& a) {
  call.number("w", a.w);
  call.number("classes", a.classes);
  call.rows(a.row_begin, a.row_end);
  call.number("out_w", a.out_w);
  const size_t h = call.taps("h", a.taps_y, a.row_begin, a.row_end);
  call.taps_of(a.taps_x, a.w, a.out_w);
  a.label_stride = a.out_w;
  call.logits(a.logits, h, a.w, a.classes);
  call.memory(a.labels, a.row_end * a.out_w);
  call.work(0, 4 * uint64_t{h} * a.w * a.classes + uint64_t{a.row_end} * a.out_w);
}

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

/// A call in numbers, for the benchmarks (bench/kernel_cases.h).
template <class Call>
void describe(Call& call, Argmax& a) {
  call.number("pixels", a.pixels);
  call.number("classes", a.classes);
  call.memory(a.x, a.pixels * a.classes, -5.0f, 5.0f);
  call.memory(a.labels, a.pixels);
  call.optional("confidence", a.confidence, a.pixels);
  call.work(0, 4 * uint64_t{a.pixels} * a.classes);
}

}  // namespace lemore::kernels
