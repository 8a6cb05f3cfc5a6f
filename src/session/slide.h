#pragma once

#include <cstddef>
#include <vector>

#include "kernels/ops/resize.h"
#include "lemore/segmenter.h"

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

  /// Errors    invalid_shape for images below k_min_input pixels a side, out_of_memory, cancelled.
  Status segment(Session& session, const SegmenterOptions& options, const ImageView& image, const LabelView& labels,
                 const ConfidenceView* confidence, PhaseTimes& times);

 private:
  struct Strip;
  void label_rows(Session& session, const Strip& strip, int row_begin, int row_end, const LabelView& labels,
                  const ConfidenceView* confidence);

  std::vector<kernels::ResizeTap> taps_;  ///< small logits to a window: its height, then its width
  std::vector<float> logits_;             ///< a ring of window rows, each the strip's windows
  std::vector<float> tiles_;              ///< enlarged logits of a few pixels, per worker
  std::vector<int> rows_, columns_;       ///< starts of windows
};

}  // namespace lemore::detail
