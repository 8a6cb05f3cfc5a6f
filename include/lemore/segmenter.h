#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/export.h"
#include "lemore/session.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

namespace detail {
struct SegmenterData;
}

/// How an image of any size meets a network of one input size.
enum class Mode : std::uint8_t {
  whole,  ///< the image is resized to the model's input size
  keep,   ///< the network runs at the image's own size, its axis operators resampled (32..k_max_input pixels a side)
  slide   ///< windows of the model's input size with a stride; logits summed and divided by their count, as
          ///< MMSegmentation does (32..2^24 pixels a side)
};

/// The name of a mode: "whole", "keep" or "slide". Never null.
LEMORE_API const char* mode_name(Mode mode) noexcept;

/// Asked after each window of slide mode, on the thread that called segment. Must not throw.
struct SlideProgress {
  /// `done` of `total` windows are computed; false cancels.
  bool (*report)(void* context, std::size_t done, std::size_t total) = nullptr;
  void* context = nullptr;
};

struct SegmenterOptions {
  Mode mode = Mode::whole;
  Size stride{0, 0};  ///< slide: distance between windows; 0 x 0 is two thirds of the window
  int threads = 0;
  std::optional<ParallelFor> parallel_for;
  std::optional<Isa> isa;
  void* arena = nullptr;                  ///< memory for all buffers of every image, aligned to k_alignment; null: the
                                          ///< segmenter allocates it
  std::size_t arena_bytes = 0;            ///< at least Segmenter::arena_bytes(...) for each image when arena is given
  std::optional<Allocator> allocator;     ///< gives those buffers where `arena` is null; default: operator new
  std::optional<SlideProgress> progress;  ///< slide: called after each window
};

/// Milliseconds the last call spent in each phase.
struct PhaseTimes {
  double prepare = 0;  ///< resize and normalise, and planning where the size changed
  double network = 0;
  double labels = 0;
};

/// From an image to its label map, in one of the three modes. One per thread, like Session; it re-plans when an image's
/// size asks for it, and keeps its memory for the next one.
class LEMORE_API Segmenter {
 public:
  /// Exact bytes of the arena that create() and segment() need for images of this size; for several sizes the largest
  /// of their figures (options.arena is not looked at). With an arena or an allocator, what still comes from operator
  /// new are lists of steps and windows, 24 bytes a row and column of the image, and scratch while a size is planned.
  /// Errors    as create; invalid_argument for an empty image, invalid_shape (keep, slide) for one too small or large.
  static Result<std::size_t> arena_bytes(const Model& model, const SegmenterOptions& options, Size image);

  /// Errors    as Session::create; invalid_argument for a stride beyond the window or a SlideProgress without function;
  /// unsupported for a classifier.
  static Result<Segmenter> create(const Model& model, const SegmenterOptions& options = {});

  Segmenter(Segmenter&&) noexcept;
  Segmenter& operator=(Segmenter&&) noexcept;
  ~Segmenter();

  /// Writes the label map of `image` at its own size, and if given each pixel's confidence.
  /// Memory    whole: the session's. keep: the session's at the image's size. slide: the session's and the small logits
  /// of the windows
  ///           of a strip of bounded width, whatever the image's size.
  /// Errors    invalid_argument (views that do not match the image, an arena too small), invalid_shape (keep, slide:
  /// image too small or too large), out_of_memory, cancelled (by SlideProgress; the rows above the last window are
  /// written then, others are not).
  Status segment(const ImageView& image, const LabelView& labels, const ConfidenceView* confidence = nullptr);

  /// The session in use, for its logits, steps and stages: after `segment` in whole and keep mode its last run is the
  /// image's.
  Session& session() noexcept;
  const PhaseTimes& last_times() const noexcept;
  const SegmenterOptions& options() const noexcept;

 private:
  explicit Segmenter(std::unique_ptr<detail::SegmenterData> data);
  std::unique_ptr<detail::SegmenterData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
