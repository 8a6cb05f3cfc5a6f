#include "session/slide.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/build.h"
#include "core/resize_taps.h"
#include "core/text.h"
#include "image/label_map.h"
#include "image/row_pair.h"
#include "kernels/ops/label_map.h"

namespace lemore::detail {

std::vector<int> window_starts(int extent, int window, int stride) {
  const int n = std::max(extent - window + stride - 1, 0) / stride + 1;
  std::vector<int> starts;
  starts.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) starts.push_back(std::max(std::min(i * stride, extent - window), 0));
  return starts;
}

namespace {

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// Indices [first, last) of the windows that reach into begin..end.
struct Cover {
  int first, last;
};
Cover covering(const std::vector<int>& starts, int window, int begin, int end) {
  const auto first = std::partition_point(starts.begin(), starts.end(), [&](int s) { return s + window <= begin; });
  const auto last = std::partition_point(first, starts.end(), [&](int s) { return s < end; });
  return {static_cast<int>(first - starts.begin()), static_cast<int>(last - starts.begin())};
}

// How far apart two rows or columns of the image may be that a label needs: 1 where labels have another size than it.
int apart_of(Size image, Size labels) { return core::k_has_transformers && labels != image ? 1 : 0; }

// Most windows that cover one pixel along an axis, or one of two neighbours where `apart` is 1.
int most_covering(const std::vector<int>& starts, int window, int apart) {
  int most = 1;
  for (const int s : starts) {
    const Cover c = covering(starts, window, s - apart, s + 1);
    most = std::max(most, c.last - c.first);
  }
  return most;
}

// Where a band begins and ends: pixels, those that its labels need, and the windows that reach into these.
struct Columns {
  int left, right, needed;
  Cover windows;
};
Columns band_at(const std::vector<int>& starts, std::size_t first, int window, int image_width, int apart) {
  const std::size_t next = first + Slide::k_band_windows;
  const int left = starts[first], right = next < starts.size() ? starts[next] : image_width;
  const int needed = std::min(right + apart, image_width);
  return {left, right, needed, covering(starts, window, left, needed)};
}

// What the windows of an image need: elements of the ring of the widest band, and of a worker's tile and rows.
struct Needs {
  std::size_t ring, per_worker;
};
Needs needs_of(const std::vector<int>& rows, const std::vector<int>& columns, Size window, int image_width, int apart,
               std::size_t window_elements, std::size_t classes) {
  int most = 0, widest = 0;
  for (std::size_t first = 0; first < columns.size(); first += Slide::k_band_windows) {
    const Columns c = band_at(columns, first, window.width, image_width, apart);
    most = std::max(most, c.windows.last - c.windows.first);
    widest = std::max(widest, c.needed - c.left);
  }
  return {size(most_covering(rows, window.height, apart)) * size(most) * window_elements,
          (image::k_label_tile + (apart > 0 ? 2 * size(widest) : 0)) * classes};
}

}  // namespace

Result<Size> Slide::window_of(const Model& model, Size image) {
  const int least = model.min_side();
  for (const int side : {image.height, image.width})
    if (side < least || side > k_max_side)
      return make_error(StatusCode::invalid_shape,
                        {"slide mode: expected an image of ", least, "..", k_max_side, " pixels a side, got ", image});
  const Size trained = model.input_size();
  return Size{std::min(trained.height, image.height), std::min(trained.width, image.width)};
}

Size Slide::stride_of(const Model& model, const SegmenterOptions& options) {
  const Size trained = model.input_size();
  for (const Size stride : {options.stride, model.preprocessing().stride})
    if (stride != Size{0, 0}) return stride;
  return {(trained.height * 2 + 2) / 3, (trained.width * 2 + 2) / 3};
}

std::size_t Slide::bytes(Size image, Size out, Size window, Size stride, const plan::Value& logits, int workers) {
  const auto rows = window_starts(image.height, window.height, stride.height);
  const auto columns = window_starts(image.width, window.width, stride.width);
  const Needs needs =
      needs_of(rows, columns, window, image.width, apart_of(image, out), logits.pixels() * logits.c, logits.c);
  return (needs.ring + needs.per_worker * size(workers)) * sizeof(float);
}

// The part of the image under way: its columns, the windows that reach into them, and the ring of their logits.
struct Slide::Band : Columns {
  Size window;
  int ring;                     ///< window rows held at once
  std::size_t window_elements;  ///< of the small logits of a window
  std::size_t h, w, classes;    ///< of the small logits

  std::size_t slot(int window_row, int window_column) const {
    const std::size_t columns = size(windows.last - windows.first);
    return (size(window_row % ring) * columns + size(window_column - windows.first)) * window_elements;
  }
};

// Where labels go, and, where they have another size than the image, how it is reached.
struct Slide::Target {
  const LabelView& labels;
  const ConfidenceView* confidence;
  kernels::ResizeTap* taps_y;  ///< of the label map's rows and columns; null where the sizes are the same
  kernels::ResizeTap* taps_x;
  std::size_t left = 0, right = 0;  ///< columns of the band under way, whose taps count from its left edge

  /// The first row or column from `begin` on whose tap is not before the one that is meant.
  template <typename Before>
  static std::size_t end_of(const kernels::ResizeTap* taps, std::size_t begin, int extent, const Before& is_before) {
    return static_cast<std::size_t>(std::partition_point(taps + begin, taps + extent, is_before) - taps);
  }

  void enter(int band_left, int band_right) {
    const auto is_before = [&](const kernels::ResizeTap& tap) {
      return tap.lo < static_cast<std::uint32_t>(band_right);
    };
    left = right;
    right = end_of(taps_x, left, labels.size.width, is_before);
    for (std::size_t x = left; x < right; ++x) {
      taps_x[x].lo -= static_cast<std::uint32_t>(band_left);
      taps_x[x].hi -= static_cast<std::uint32_t>(band_left);
    }
  }

  /// Labels of `n` pixels at (y, x) from their logits.
  void put(const plan::Runtime& r, std::size_t y, std::size_t x, std::size_t n, std::size_t classes,
           const float* logits) const {
    kernels::Argmax argmax;
    argmax.pixels = n;
    argmax.classes = classes;
    argmax.x = logits;
    argmax.labels = labels.data + y * labels.row_bytes + x;
    if (confidence != nullptr) argmax.confidence = confidence->data + y * confidence->row_stride + x;
    r.kernels->argmax(argmax);
  }
};

Status Slide::segment(Session& session, const SegmenterOptions& options, const ImageView& image,
                      const LabelView& labels, const ConfidenceView* confidence, PhaseTimes& times) {
  using Clock = std::chrono::steady_clock;
  const auto fitting = window_of(session.model(), image.size);
  if (!fitting.ok()) return fitting.status();
  const Size window = *fitting, stride = stride_of(session.model(), options), out = labels.size;
  if (Status status = session.resize(window); !status.ok()) return status;

  const int apart = apart_of(image.size, out);
  rows_ = window_starts(image.size.height, window.height, stride.height);
  columns_ = window_starts(image.size.width, window.width, stride.width);
  const TensorView logits = session.logits();
  Band band{};
  band.window = window;
  band.h = logits.shape[1];
  band.w = logits.shape[2];
  band.classes = logits.shape[3];
  band.window_elements = logits.shape.elements();
  band.ring = most_covering(rows_, window.height, apart);
  const std::size_t window_taps = size(window.height) + size(window.width);
  taps_.resize(window_taps + (apart > 0 ? size(out.height) + size(out.width) : 0));
  core::resize_taps(band.h, size(window.height), taps_.data());
  core::resize_taps(band.w, size(window.width), taps_.data() + window.height);
  Target target{labels, confidence, nullptr, nullptr};
  if (apart > 0) {
    target.taps_y = taps_.data() + window_taps;
    target.taps_x = target.taps_y + out.height;
    core::resize_taps(size(image.size.height), size(out.height), target.taps_y);
    core::resize_taps(size(image.size.width), size(out.width), target.taps_x);
  }
  const Needs needs = needs_of(rows_, columns_, window, image.size.width, apart, band.window_elements, band.classes);
  const std::size_t needed = (needs.ring + needs.per_worker * size(session.threads())) * sizeof(float);
  const SessionOptions& memory = session.data().options;
  if (memory.arena != nullptr || needed > memory_bytes_) {
    memory_ = {};  // not both at once
    memory_bytes_ = 0;
    auto made = Arena::create(needed, memory, session.arena_bytes());
    if (!made.ok()) return made.status();
    memory_ = std::move(*made);
    memory_bytes_ = needed;
  }
  logits_ = memory_.data();
  tiles_ = logits_ + needs.ring;
  per_worker_ = needs.per_worker;

  const auto enter_band = [&](std::size_t first) {
    static_cast<Columns&>(band) = band_at(columns_, first, window.width, image.size.width, apart);
  };
  std::size_t done = 0, total = 0;
  for (std::size_t first = 0; first < columns_.size(); first += k_band_windows) {
    enter_band(first);
    total += rows_.size() * size(band.windows.last - band.windows.first);
  }

  const plan::Runtime& runtime = session.data().runtime;
  for (std::size_t first = 0; first < columns_.size(); first += k_band_windows) {
    enter_band(first);
    if (apart > 0) target.enter(band.left, band.right);
    for (int r = 0; r < static_cast<int>(rows_.size()); ++r) {
      for (int c = band.windows.first; c < band.windows.last; ++c) {
        if (Status status = session.run_window(image, rows_[size(r)], columns_[size(c)]); !status.ok()) return status;
        times.prepare += session.last_prepare_ms();
        times.network += session.last_network_ms();
        std::memcpy(logits_ + band.slot(r, c), session.logits().f32(), band.window_elements * sizeof(float));
        ++done;
        if (options.progress && !options.progress->report(options.progress->context, done, total))
          return make_error(StatusCode::cancelled, {"cancelled after ", done, " of ", total, " windows"});
      }
      // Rows above the next window's start are complete.
      const int end = size(r) + 1 < rows_.size() ? rows_[size(r) + 1] : image.size.height;
      const auto start = Clock::now();
      label_rows(runtime, band, rows_[size(r)], end, target);
      times.labels += std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    }
  }
  return {};
}

// The averages at (y, x) and right of it, up to `right` or as far as the same windows reach; where they end.
int Slide::average(const plan::Runtime& r, const Band& band, int y, int x, int right, float* out) const {
  const Cover rows = covering(rows_, band.window.height, y, y + 1);
  const Cover columns = covering(columns_, band.window.width, x, x + 1);
  right = std::min(right, columns_[size(columns.first)] + band.window.width);
  if (size(columns.last) < columns_.size()) right = std::min(right, columns_[size(columns.last)]);
  const std::size_t n = size(right - x);

  int count = 0;
  for (int wr = rows.first; wr < rows.last; ++wr)
    for (int wc = columns.first; wc < columns.last; ++wc, ++count) {
      kernels::Resize resize;
      resize.w = band.w;
      resize.c = band.classes;
      resize.out_w = n;
      resize.row_end = 1;
      resize.taps_y = taps_.data() + (y - rows_[size(wr)]);
      resize.taps_x = taps_.data() + band.window.height + (x - columns_[size(wc)]);
      resize.x = logits_ + band.slot(wr, wc);
      resize.y = out;
      resize.accumulate = count > 0;
      r.kernels->resize(resize);
    }
  if (count > 1)
    for (std::size_t i = 0; i < n * band.classes; ++i) out[i] /= static_cast<float>(count);
  return right;
}

// Labels of the rows that need rows row_begin..row_end of the averages, and none below.
inline void Slide::label_resized_rows(const plan::Runtime& r, const Band& band, int row_begin, int row_end,
                                      const Target& target) const {
  const int out_h = target.labels.size.height;
  const auto needs_less_than = [](int row) {
    return [row](const kernels::ResizeTap& tap) { return tap.hi < static_cast<std::uint32_t>(row); };
  };
  const std::size_t first = Target::end_of(target.taps_y, 0, out_h, needs_less_than(row_begin));
  const std::size_t last = Target::end_of(target.taps_y, first, out_h, needs_less_than(row_end));
  if (first == last) return;
  const std::size_t width = size(band.needed - band.left);
  r.split(last - first, 8, [&](const plan::Share& share) {
    float* tile = tiles_ + share.worker * per_worker_;
    float* averages = tile + image::k_label_tile * band.classes;
    image::RowPair rows(averages, width * band.classes);
    const auto make_row = [&](std::size_t y, float* out) {
      for (int x = band.left; x < band.needed;)
        x = average(r, band, static_cast<int>(y), x, band.needed, out + size(x - band.left) * band.classes);
    };
    for (std::size_t y = first + share.begin; y < first + share.end; ++y) {
      kernels::ResizeTap tap = target.taps_y[y];
      rows.need(tap.lo, tap.hi, make_row);
      tap = {0, tap.hi - tap.lo, tap.t};
      for (std::size_t x = target.left; x < target.right; x += image::k_label_tile) {
        kernels::Resize resize;
        resize.w = width;
        resize.c = band.classes;
        resize.out_w = std::min(image::k_label_tile, target.right - x);
        resize.row_end = 1;
        resize.taps_y = &tap;
        resize.taps_x = target.taps_x + x;
        resize.x = averages;
        resize.y = tile;
        r.kernels->resize(resize);
        target.put(r, y, x, resize.out_w, band.classes, tile);
      }
    }
  });
}

void Slide::label_rows(const plan::Runtime& r, const Band& band, int row_begin, int row_end,
                       const Target& target) const {
  if constexpr (core::k_has_transformers)
    if (target.taps_y != nullptr) return label_resized_rows(r, band, row_begin, row_end, target);
  r.split(size(row_end - row_begin), 8, [&](const plan::Share& share) {
    float* tile = tiles_ + share.worker * per_worker_;
    for (int y = row_begin + static_cast<int>(share.begin); y < row_begin + static_cast<int>(share.end); ++y)
      for (int x = band.left, end = 0; x < band.right; x = end) {
        end = average(r, band, y, x, std::min(band.right, x + static_cast<int>(image::k_label_tile)), tile);
        target.put(r, size(y), size(x), size(end - x), band.classes, tile);
      }
  });
}

}  // namespace lemore::detail
