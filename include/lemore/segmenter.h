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

/// How an image of any size is given to a network of one input size.
enum class Mode : std::uint8_t {
  /// The image is resized as the authors of the weights do it, mostly to the model's input size.
  whole,
  /// The network runs at the image's own size, Model::min_side()..k_max_input pixels a side.
  native,
  /// The network runs on windows of the model's input size, and overlapping logits are averaged, as in MMSegmentation.
  /// Where the authors of the weights resize the image first and keep its ratio (SizeRule::fit), so is it here, and the
  /// averages are resized to the label map's size. Images have Model::min_side()..2^24 pixels a side then.
  slide,
  keep = native  ///< what `native` was called before
};

/// A mode with its names.
struct ModeInfo {
  Mode mode;
  const char* name;      ///< "whole"
  const char* old_name;  ///< another name that is understood, or null
  const char* does;      ///< "resize to the network": what becomes of the image, for help
};

/// Every mode, in the order of the enumeration.
inline constexpr ModeInfo k_modes[] = {
    {Mode::whole, "whole", nullptr, "resize to the network"},
    {Mode::native, "native", "keep", "the image's own size"},
    {Mode::slide, "slide", nullptr, "windows"},
};

/// The name of a mode: "whole", "native" or "slide". Never null.
LEMORE_API const char* mode_name(Mode mode) noexcept;

/// The mode in which the authors of the weights test.
LEMORE_API Mode tested_mode(const Model& model) noexcept;

/// Called after each window in mode slide, on the thread that called segment. It must not throw.
struct SlideProgress {
  /// `done` of `total` windows have been computed. Return false to cancel.
  bool (*report)(void* context, std::size_t done, std::size_t total) = nullptr;
  void* context = nullptr;
};

/// How a segmenter is made. An arena must be large enough for each image.
struct SegmenterOptions : ComputeOptions {
  SegmenterOptions() = default;
  explicit SegmenterOptions(const ComputeOptions& compute) : ComputeOptions(compute) {}

  Mode mode = Mode::whole;
  /// Mode slide: distance between windows; 0 x 0 is the model's own (Preprocessing::stride), or else two thirds of the
  /// window.
  Size stride{0, 0};
  /// Mode slide: called after each window.
  std::optional<SlideProgress> progress;
};

/// Milliseconds the last call spent in each phase.
struct PhaseTimes {
  double prepare = 0;  ///< resizing, normalising, and planning if the size has changed
  double network = 0;
  double labels = 0;
};

/// Turns images into label maps, in one of the three modes. Use one per thread, as with Session. It plans again when an
/// image's size requires it and keeps its memory for the next image.
class LEMORE_API Segmenter {
 public:
  /// The exact size in bytes of the arena that create() and segment() need for images of this size; for several sizes
  /// take the largest. options.arena is ignored. Even with an arena or an allocator, operator new still serves the
  /// lists of steps and windows, 24 bytes for each row and column of the image, the resized 8-bit image where the
  /// model's ResizeRule makes one, and scratch memory while a size is planned.
  /// Errors    as create; invalid_argument for an empty image; invalid_shape for one too small or too large for native
  ///           or slide.
  static Result<std::size_t> arena_bytes(const Model& model, const SegmenterOptions& options, Size image);

  /// A segmenter for this model.
  /// Errors    as Session::create; invalid_argument for a stride larger than the window or a SlideProgress without its
  ///           function; unsupported for a classifier, and for windows over an image that is resized in floats
  ///           (ResizeRule::bilinear).
  static Result<Segmenter> create(const Model& model, const SegmenterOptions& options = {});

  Segmenter(Segmenter&&) noexcept;
  Segmenter& operator=(Segmenter&&) noexcept;
  ~Segmenter();

  /// Writes the label map of `image` at its own size and, if `confidence` is given, the probability of each pixel's
  /// class.
  /// Memory    whole: that of the session. native: that of the session at the image's size. slide: that of the
  ///           session, and the logits of the windows in a band of bounded width, whatever the image's size.
  /// Errors    invalid_argument for views that do not match the image and for an arena that is too small; invalid_shape
  ///           for an image too small or too large for native or slide; out_of_memory; cancelled by SlideProgress: then
  ///           the rows above the last window have been written and the others have not.
  Status segment(const ImageView& image, const LabelView& labels, const ConfidenceView* confidence = nullptr);

  /// The session in use, for its logits, steps and stages. After `segment` in mode whole or native, its last run is
  /// that of the image.
  Session& session() noexcept;
  const PhaseTimes& last_times() const noexcept;
  const SegmenterOptions& options() const noexcept;

 private:
  explicit Segmenter(std::unique_ptr<detail::SegmenterData> data);
  std::unique_ptr<detail::SegmenterData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
