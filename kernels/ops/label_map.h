#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ops/resize.h"

namespace lemore::kernels {

/// Most classes a label map can hold: a label is one byte.
constexpr size_t k_max_classes = 256;

/// Label map from small logits: label[y, x] = argmax over classes of the bilinearly enlarged logits; of equal classes
/// the first. The enlarged logits are never written. Between four neighbouring logits, a class that lies below
/// another one at all four can win nowhere, so only the others are evaluated; a margin for rounding makes the labels
/// those of evaluating them all.
///
/// Shapes    logits [h, w, classes] dense; labels row y at labels + y * label_stride, out_w bytes; rows
///           row_begin..row_end; taps as in Resize.
/// Requires  1 <= classes <= k_max_classes; the taps' positions never decrease.
/// Numbers   a NaN logit never wins; a pixel whose logits are all NaN gets class 0. Infinities are ordinary values.
/// Accuracy  exact: every product and every sum is rounded once, on every ISA, in the order that Resize states.
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

/// Label and confidence of each pixel: labels[p] = argmax over i < classes of x[p, i]; of equal classes the first.
/// confidence[p] = softmax of x[p] at that class.
///
/// Shapes    x [pixels, classes] dense; labels, confidence [pixels]; confidence may be null.
/// Requires  1 <= classes <= k_max_classes.
/// Numbers   NaN never wins and does not count in the softmax; where every value is NaN, label and confidence are 0.
///           Where k values share an infinite maximum, confidence is 1 / k.
/// Accuracy  labels exact; confidence as exp (exp_tol_ulp) and a sum of `classes` values.
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
