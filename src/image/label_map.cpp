#include "image/label_map.h"

#include <algorithm>

#include "core/resize_taps.h"
#include "core/text.h"
#include "image/row_pair.h"
#include "kernels/ops/label_map.h"

namespace lemore::image {

using kernels::ResizeTap;

namespace {

constexpr std::size_t k_row_grain = 8;

std::size_t size(int n) { return static_cast<std::size_t>(n); }

std::size_t scratch_per_worker(const plan::Value& logits, Size input, LabelMapRule rule) {
  const std::size_t between = rule == LabelMapRule::two_step ? 2 * size(input.width) : 0;
  return (k_label_tile + between) * logits.c;
}

}  // namespace

std::size_t label_scratch(const plan::Value& logits, Size input, LabelMapRule rule, int workers) {
  return scratch_per_worker(logits, input, rule) * size(workers);
}

std::size_t label_taps(Size input, Size out, LabelMapRule rule) {
  const std::size_t direct = size(out.height) + size(out.width);
  return rule == LabelMapRule::direct ? direct : direct + size(input.height) + size(input.width);
}

Status check_labels(const LabelView& labels, const ConfidenceView* confidence) {
  const auto [h, w] = labels.size;
  if (labels.data == nullptr || h < 1 || w < 1 || labels.row_bytes < size(w))
    return make_error(StatusCode::invalid_argument, {"label view of ", labels.size, " with rows of ", labels.row_bytes,
                                                     " bytes is null, empty or too narrow"});
  if (confidence == nullptr) return {};
  if (confidence->data == nullptr || confidence->size != labels.size || confidence->row_stride < size(w))
    return make_error(StatusCode::invalid_argument,
                      {"confidence view of ", confidence->size, ": expected the labels' ", labels.size});
  return {};
}

void prepare_label_taps(const LabelMap& m, Size out) {
  ResizeTap* taps = m.taps;
  std::size_t h = m.logits.h, w = m.logits.w;
  if (m.rule == LabelMapRule::two_step) {
    core::resize_taps(h, size(m.input.height), taps);
    core::resize_taps(w, size(m.input.width), taps + m.input.height);
    taps += m.input.height + m.input.width;
    h = size(m.input.height);
    w = size(m.input.width);
  }
  core::resize_taps(h, size(out.height), taps);
  core::resize_taps(w, size(out.width), taps + out.height);
}

void label_map(const plan::Runtime& r, const LabelMap& m, const LabelView& labels, const ConfidenceView* confidence) {
  const std::size_t out_h = size(labels.size.height), out_w = size(labels.size.width), classes = m.logits.c;
  const bool two_step = m.rule == LabelMapRule::two_step;
  const ResizeTap* taps_y = m.taps + (two_step ? m.input.height + m.input.width : 0);
  const ResizeTap* taps_x = taps_y + out_h;

  if (!two_step && confidence == nullptr) {
    r.split(out_h, k_row_grain, [&](const plan::Share& share) {
      kernels::LabelMap k;
      k.w = m.logits.w;
      k.classes = classes;
      k.out_w = out_w;
      k.row_begin = share.begin;
      k.row_end = share.end;
      k.taps_y = taps_y;
      k.taps_x = taps_x;
      k.logits = r.at(m.logits);
      k.labels = labels.data;
      k.label_stride = labels.row_bytes;
      r.kernels->label_map(k);
    });
    return;
  }

  const std::size_t per_worker = scratch_per_worker(m.logits, m.input, m.rule);
  r.split(out_h, k_row_grain, [&](const plan::Share& share) {
    float* tile = m.scratch + share.worker * per_worker;
    float* between = tile + k_label_tile * classes;
    // Rows of logits at the network's input size: two_step's first resize.
    RowPair rows(between, size(m.input.width) * classes);
    const auto make_row = [&](std::size_t row, float* out) {
      kernels::Resize k;
      k.w = m.logits.w;
      k.c = classes;
      k.out_w = size(m.input.width);
      k.row_end = 1;
      k.taps_y = m.taps + row;
      k.taps_x = m.taps + m.input.height;
      k.x = r.at(m.logits);
      k.y = out;
      r.kernels->resize(k);
    };
    for (std::size_t y = share.begin; y < share.end; ++y) {
      ResizeTap tap = taps_y[y];
      const float* source = r.at(m.logits);
      std::size_t source_w = m.logits.w;
      if (two_step) {
        rows.need(tap.lo, tap.hi, make_row);
        tap = {0, tap.hi - tap.lo, tap.t};
        source = between;
        source_w = size(m.input.width);
      }
      for (std::size_t x = 0; x < out_w; x += k_label_tile) {
        const std::size_t n = std::min(k_label_tile, out_w - x);
        kernels::Resize resize;
        resize.w = source_w;
        resize.c = classes;
        resize.out_w = n;
        resize.row_end = 1;
        resize.taps_y = &tap;
        resize.taps_x = taps_x + x;
        resize.x = source;
        resize.y = tile;
        r.kernels->resize(resize);
        kernels::Argmax argmax;
        argmax.pixels = n;
        argmax.classes = classes;
        argmax.x = tile;
        argmax.labels = labels.data + y * labels.row_bytes + x;
        if (confidence != nullptr) argmax.confidence = confidence->data + y * confidence->row_stride + x;
        r.kernels->argmax(argmax);
      }
    }
  });
}

}  // namespace lemore::image
