#include "session/slide.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/resize_taps.h"
#include "core/text.h"
#include "image/label_map.h"
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

// Most windows that cover one pixel along an axis.
int most_covering(const std::vector<int>& starts, int window) {
  int most = 1;
  for (const int s : starts) {
    const Cover c = covering(starts, window, s, s + 1);
    most = std::max(most, c.last - c.first);
  }
  return most;
}

// Where a strip begins and ends: pixels, and the windows that reach into it.
struct Columns {
  int left, right;
  Cover windows;
};
Columns strip_at(const std::vector<int>& starts, std::size_t first, int window, int image_width) {
  const std::size_t next = first + Slide::k_strip_windows;
  const int left = starts[first], right = next < starts.size() ? starts[next] : image_width;
  return {left, right, covering(starts, window, left, right)};
}

// Elements of the ring of the widest strip.
std::size_t ring_elements(const std::vector<int>& rows, const std::vector<int>& columns, Size window, int image_width,
                          std::size_t window_elements) {
  int most = 0;
  for (std::size_t first = 0; first < columns.size(); first += Slide::k_strip_windows) {
    const Cover c = strip_at(columns, first, window.width, image_width).windows;
    most = std::max(most, c.last - c.first);
  }
  return size(most_covering(rows, window.height)) * size(most) * window_elements;
}

std::size_t tile_elements(std::size_t classes, int workers) { return size(workers) * image::k_label_tile * classes; }

}  // namespace

Result<Size> Slide::window_of(const Model& model, Size image) {
  for (const int side : {image.height, image.width})
    if (side < k_min_input || side > k_max_side)
      return make_error(StatusCode::invalid_shape, {"slide mode: expected an image of ", k_min_input, "..", k_max_side,
                                                    " pixels a side, got ", image});
  const Size trained = model.input_size();
  return Size{std::min(trained.height, image.height), std::min(trained.width, image.width)};
}

Size Slide::stride_of(const Model& model, const SegmenterOptions& options) {
  const Size trained = model.input_size();
  const bool has_stride = options.stride != Size{0, 0};
  return has_stride ? options.stride : Size{(trained.height * 2 + 2) / 3, (trained.width * 2 + 2) / 3};
}

std::size_t Slide::bytes(Size image, Size window, Size stride, const plan::Value& logits, int workers) {
  const auto rows = window_starts(image.height, window.height, stride.height);
  const auto columns = window_starts(image.width, window.width, stride.width);
  return (ring_elements(rows, columns, window, image.width, logits.pixels() * logits.c) +
          tile_elements(logits.c, workers)) *
         sizeof(float);
}

// The part of the image under way: its columns, the windows that reach into them, and the ring of their logits.
struct Slide::Strip {
  int left, right;  ///< pixels
  Cover windows;
  Size window;
  int ring;                     ///< window rows held at once
  std::size_t window_elements;  ///< of the small logits of a window
  std::size_t h, w, classes;    ///< of the small logits

  std::size_t slot(int window_row, int window_column) const {
    const std::size_t columns = size(windows.last - windows.first);
    return (size(window_row % ring) * columns + size(window_column - windows.first)) * window_elements;
  }
};

Status Slide::segment(Session& session, const SegmenterOptions& options, const ImageView& image,
                      const LabelView& labels, const ConfidenceView* confidence, PhaseTimes& times) {
  using Clock = std::chrono::steady_clock;
  const auto fitting = window_of(session.model(), image.size);
  if (!fitting.ok()) return fitting.status();
  const Size window = *fitting, stride = stride_of(session.model(), options);
  if (Status status = session.resize(window); !status.ok()) return status;

  rows_ = window_starts(image.size.height, window.height, stride.height);
  columns_ = window_starts(image.size.width, window.width, stride.width);
  const TensorView logits = session.logits();
  Strip strip{};
  strip.window = window;
  strip.h = logits.shape[1];
  strip.w = logits.shape[2];
  strip.classes = logits.shape[3];
  strip.window_elements = logits.shape.elements();
  strip.ring = most_covering(rows_, window.height);
  taps_.resize(size(window.height) + size(window.width));
  core::resize_taps(strip.h, size(window.height), taps_.data());
  core::resize_taps(strip.w, size(window.width), taps_.data() + window.height);
  const std::size_t ring = ring_elements(rows_, columns_, window, image.size.width, strip.window_elements);
  const std::size_t needed = (ring + tile_elements(strip.classes, session.threads())) * sizeof(float);
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
  tiles_ = logits_ + ring;

  const auto enter_strip = [&](std::size_t first) {
    const Columns c = strip_at(columns_, first, window.width, image.size.width);
    strip.left = c.left;
    strip.right = c.right;
    strip.windows = c.windows;
  };
  std::size_t done = 0, total = 0;
  for (std::size_t first = 0; first < columns_.size(); first += k_strip_windows) {
    enter_strip(first);
    total += rows_.size() * size(strip.windows.last - strip.windows.first);
  }

  for (std::size_t first = 0; first < columns_.size(); first += k_strip_windows) {
    enter_strip(first);
    for (int r = 0; r < static_cast<int>(rows_.size()); ++r) {
      for (int c = strip.windows.first; c < strip.windows.last; ++c) {
        if (Status status = session.run_window(image, rows_[size(r)], columns_[size(c)]); !status.ok()) return status;
        times.prepare += session.last_prepare_ms();
        times.network += session.last_network_ms();
        std::memcpy(logits_ + strip.slot(r, c), session.logits().f32(), strip.window_elements * sizeof(float));
        ++done;
        if (options.progress && !options.progress->report(options.progress->context, done, total))
          return make_error(StatusCode::cancelled, {"cancelled after ", done, " of ", total, " windows"});
      }
      // Rows above the next window's start are complete.
      const int end = size(r) + 1 < rows_.size() ? rows_[size(r) + 1] : image.size.height;
      const auto start = Clock::now();
      label_rows(session, strip, rows_[size(r)], end, labels, confidence);
      times.labels += std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    }
  }
  return {};
}

void Slide::label_rows(Session& session, const Strip& strip, int row_begin, int row_end, const LabelView& labels,
                       const ConfidenceView* confidence) {
  const plan::Runtime& r = session.data().runtime;
  const std::size_t classes = strip.classes;
  const kernels::ResizeTap* taps_y = taps_.data();
  const kernels::ResizeTap* taps_x = taps_.data() + strip.window.height;
  const Cover rows = covering(rows_, strip.window.height, row_begin, row_end);

  r.split(size(row_end - row_begin), 8, [&](const plan::Share& share) {
    float* tile = tiles_ + share.worker * image::k_label_tile * classes;
    for (int y = row_begin + static_cast<int>(share.begin); y < row_begin + static_cast<int>(share.end); ++y) {
      int right = 0;
      for (int x = strip.left; x < strip.right; x = right) {
        // A run of pixels that the same windows cover.
        const Cover columns = covering(columns_, strip.window.width, x, x + 1);
        right = std::min({strip.right, x + static_cast<int>(image::k_label_tile),
                          columns_[size(columns.first)] + strip.window.width});
        if (size(columns.last) < columns_.size()) right = std::min(right, columns_[size(columns.last)]);
        const std::size_t n = size(right - x);

        int count = 0;
        for (int wr = rows.first; wr < rows.last; ++wr) {
          if (y < rows_[size(wr)] || y >= rows_[size(wr)] + strip.window.height) continue;
          for (int wc = columns.first; wc < columns.last; ++wc, ++count) {
            kernels::Resize resize;
            resize.w = strip.w;
            resize.c = classes;
            resize.out_w = n;
            resize.row_end = 1;
            resize.taps_y = taps_y + (y - rows_[size(wr)]);
            resize.taps_x = taps_x + (x - columns_[size(wc)]);
            resize.x = logits_ + strip.slot(wr, wc);
            resize.y = tile;
            resize.accumulate = count > 0;
            r.kernels->resize(resize);
          }
        }
        if (count > 1)
          for (std::size_t i = 0; i < n * classes; ++i) tile[i] /= static_cast<float>(count);
        kernels::Argmax argmax;
        argmax.pixels = n;
        argmax.classes = classes;
        argmax.x = tile;
        argmax.labels = labels.data + size(y) * labels.row_bytes + x;
        if (confidence != nullptr) argmax.confidence = confidence->data + size(y) * confidence->row_stride + x;
        r.kernels->argmax(argmax);
      }
    }
  });
}

}  // namespace lemore::detail
