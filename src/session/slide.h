#pragma once

#include <cstddef>
#include <vector>

#include "kernels/ops/resize.h"
#include "lemore/segmenter.h"
#include "session/session_data.h"

namespace lemore::detail {

/// Starts of windows of `window` pixels along an axis of `extent`, `stride` apart, the last one moved back to end with
/// the image. Source    MMSegmentation, EncoderDecoder.slide_inference.
std::vector<int> window_starts(int extent, int window, int stride);

/// Sliding windows: at each pixel the enlarged logits of all windows that cover it are summed and divided by their
/// count.
///
/// Enlarged logits are never stored. The image is worked off in strips of k_strip_windows windows, from top to bottom,
/// holding the small logits of the window rows under way; windows that reach over a strip's edge are run once for each
/// side. So memory depends on the window, not on the image.
class Slide {
 public:
  static constexpr int k_strip_windows = 8;
  static constexpr int k_max_side = 1 << 24;  ///< of an image; there are lists of windows

  /// The window of an image: the model's input, or less where the image is smaller. Errors    invalid_shape for images
  /// outside k_min_input..k_max_side pixels a side.
  static Result<Size> window_of(const Model& model, Size image);

  /// Bytes that segment() needs beside the session, whose windows give `logits`.
  static std::size_t bytes(Size image, Size window, Size stride, const plan::Value& logits, int workers);

  /// The stride of these options.
  static Size stride_of(const Model& model, const SegmenterOptions& options);

  /// Errors    as window_of; invalid_argument for an arena that is too small, out_of_memory, cancelled.
  Status segment(Session& session, const SegmenterOptions& options, const ImageView& image, const LabelView& labels,
                 const ConfidenceView* confidence, PhaseTimes& times);

 private:
  struct Strip;
  void label_rows(Session& session, const Strip& strip, int row_begin, int row_end, const LabelView& labels,
                  const ConfidenceView* confidence);

  std::vector<kernels::ResizeTap> taps_;  ///< small logits to a window: its height, then its width
  Arena memory_;
  std::size_t memory_bytes_ = 0;     ///< kept for the next image, where the caller gave none
  float* logits_ = nullptr;          ///< a ring of window rows, each the strip's windows
  float* tiles_ = nullptr;           ///< enlarged logits of a few pixels, per worker
  std::vector<int> rows_, columns_;  ///< starts of windows
};

}  // namespace lemore::detail
