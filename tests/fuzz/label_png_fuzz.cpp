// Annotations, 8-bit gray and indexed PNG, values as they stand; and the same bytes as a picture. libpng is not
// instrumented: what it says, and what kinds of picture it takes, is counted as coverage in its place.
#include <algorithm>
#include <functional>
#include <string>

#include "fuzz.h"
#include "image_io/codec_png.h"

using namespace lemore::cli;

namespace {

#ifdef LEMORE_LIBFUZZER
constexpr std::size_t k_features = 2048;
__attribute__((used, section("__libfuzzer_extra_counters"))) std::uint8_t features[k_features];
void reached(std::size_t feature) { features[feature % k_features] = 1; }
#else
void reached(std::size_t) {}
#endif

/// Depth, colour type and interlacing of a PNG, and the outcome.
std::size_t kind_of(const std::uint8_t* data, std::size_t size, int outcome) {
  if (size < 29) return 0;
  return ((static_cast<std::size_t>(data[24]) * 8 + data[25]) * 2 + data[28]) * 4 + static_cast<std::size_t>(outcome);
}

void check(const lemore::Status& status, const Image& image, std::uint64_t max_pixels) {
  if (!status.ok()) {
    require(!status.message().empty() && status.message().find('\n') == std::string::npos);
    reached(std::hash<std::string>()(status.message()));
    return;
  }
  require(image.size.height >= 1 && image.size.width >= 1);
  require(static_cast<std::uint64_t>(image.size.height) * static_cast<std::uint64_t>(image.size.width) <= max_pixels);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DecodeLimits limits;
  limits.max_pixels = 1 << 12;
  Image values, picture, scratch;
  const lemore::Status as_values = decode_label_png(data, size, limits, values);
  check(as_values, values, limits.max_pixels);
  if (as_values.ok()) require(values.format == lemore::PixelFormat::gray);
  LabelSamples samples;  // of up to 16 bits: whatever is a picture of values is one of samples
  const lemore::Status as_samples = decode_label_samples(data, size, limits, samples);
  if (as_samples.ok()) {
    const auto pixels = static_cast<std::size_t>(samples.size.height) * static_cast<std::size_t>(samples.size.width);
    require(pixels >= 1 && pixels <= limits.max_pixels);
    unsigned largest = 0;
    for (std::size_t i = 0; i < pixels; ++i) largest = std::max(largest, samples.at(i));
    require(samples.is_wide || largest < 256);
  }
  require(as_samples.ok() || !as_values.ok());
  const lemore::Status as_picture = decode_image(data, size, limits, picture, scratch);
  check(as_picture, picture, limits.max_pixels);
  require(as_picture.ok() || !as_values.ok());  // an annotation is a picture, too
  reached(kind_of(data, size, (as_values.ok() ? 2 : 0) + (as_picture.ok() ? 1 : 0)));
  return 0;
}
