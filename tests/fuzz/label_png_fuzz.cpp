// Annotations: 8-bit gray and indexed PNG, values as they stand.
#include "fuzz.h"
#include "image_io/codec_png.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lemore::cli::DecodeLimits limits;
  limits.max_pixels = 1 << 16;
  lemore::cli::Image values;
  if (!lemore::cli::decode_label_png(data, size, limits, values).ok()) return 0;
  require(values.size.height >= 1 && values.size.width >= 1);
  require(values.format == lemore::PixelFormat::gray);
  return 0;
}
