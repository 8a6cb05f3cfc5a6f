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
/// count. Where the image was resized before, the averages are resized to the label map's size.
///
/// Enlarged logits are never stored as a whole. The image is done in bands of k_band_windows windows, from top to
/// bottom, holding the small logits of the window rows under way; windows that reach over a band's edge are run once
/// for each side. So memory depends on the window, not on the image.
class Slide {
 public:
  static constexpr int k_band_windows = 8;
  static constexpr int k_max_side = 1 << 24;  ///< of an image; there are lists of windows

  /// The window of an image: the model's input, or less where the image is smaller. Errors    invalid_shape for images
  /// whose sides are not Model::min_side()..k_max_side pixels.
  static Result<Size> window_of(const Model& model, Size image);

  /// Bytes that segment() needs beside the session, whose windows give `logits`, for labels of size `out`.
  static std::size_t bytes(Size image, Size out, Size window, Size stride, const plan::Value& logits, int workers);

  /// The stride of these options.
  static Size stride_of(const Model& model, const SegmenterOptions& options);

  /// Labels of `image`, which may have another size than they. Errors    as window_of; invalid_argument for an arena
  /// that is too small, out_of_memory, cancelled.
  Status segment(Session& session, const SegmenterOptions& options, const ImageView& image, const LabelView& labels,
                 const ConfidenceView* confidence, PhaseTimes& times);

 private:
  struct Band;
  struct Target;
  int average(const plan::Runtime& r, const Band& band, int y, int x, int right, float* out) const;
  void label_rows(const plan::Runtime& r, const Band& band, int row_begin, int row_end, const Target& target) const;
  void label_resized_rows(const plan::Runtime& r, const Band& band, int row_begin, int row_end,
                          const Target& target) const;

  std::vector<kernels::ResizeTap> taps_;  ///< small logits to a window, then the image to the labels: heights, widths
  Arena memory_;
  std::size_t memory_bytes_ = 0;     ///< kept for the next image, where the caller gave none
  float* logits_ = nullptr;          ///< a ring of window rows, each the band's windows
  float* tiles_ = nullptr;           ///< enlarged logits of a few pixels, and two rows of averages, per worker
  std::size_t per_worker_ = 0;       ///< elements of these
  std::vector<int> rows_, columns_;  ///< starts of windows
};

}  // namespace lemore::detail
