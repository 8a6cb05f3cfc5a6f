#include "image/preprocess.h"

#include <algorithm>

#include "core/resize_taps.h"
#include "core/text.h"
#include "kernels/ops/preprocess.h"

namespace lemore::image {

namespace {

constexpr std::size_t k_row_grain = 16;

/// Zeroes `border` pixels on each side of x.
void zero_border(float* x, std::size_t h, std::size_t w, std::size_t border) {
  const std::size_t row = w * 3, side = border * 3;
  std::fill(x, x + border * row, 0.0f);
  std::fill(x + (h - border) * row, x + h * row, 0.0f);
  for (std::size_t y = border; y + border < h; ++y) {
    std::fill(x + y * row, x + y * row + side, 0.0f);
    std::fill(x + (y + 1) * row - side, x + (y + 1) * row, 0.0f);
  }
}

}  // namespace

Status check_image(const ImageView& image) {
  const auto [h, w] = image.size;
  if (image.data == nullptr || h < 1 || w < 1)
    return make_error(StatusCode::invalid_argument, {"image of ", image.size, " pixels: expected at least one"});
  const std::size_t least = static_cast<std::size_t>(w) * pixel_bytes(image.format);
  if (image.row_bytes < least)
    return make_error(StatusCode::invalid_argument,
                      {"image rows of ", image.row_bytes, " bytes: expected at least ", least});
  return {};
}

void prepare(const plan::Runtime& r, const Preprocessing& p, const ImageView& image, const plan::Value& input,
             std::size_t border, kernels::ResizeTap* taps) {
  const std::size_t h = input.h - 2 * border, w = input.w - 2 * border;
  float* x = r.at(input);
  zero_border(x, input.h, input.w, border);

  kernels::Preprocess k;
  k.out_w = w;
  k.pixels = image.data;
  k.row_bytes = image.row_bytes;
  k.pixel_bytes = pixel_bytes(image.format);
  const bool gray = k.pixel_bytes < 3;
  const bool reversed = image.format == PixelFormat::bgr || image.format == PixelFormat::bgra;
  for (unsigned i = 0; i < 3; ++i) {
    k.channel[i] = static_cast<unsigned char>(gray ? 0 : reversed ? 2 - i : i);
    k.mean[i] = p.mean[i];
    k.inv_std[i] = 1.0f / p.std[i];
  }
  k.identity = static_cast<std::size_t>(image.size.height) == h && static_cast<std::size_t>(image.size.width) == w;
  core::resize_taps(static_cast<std::size_t>(image.size.height), h, taps);
  core::resize_taps(static_cast<std::size_t>(image.size.width), w, taps + h);
  k.taps_y = taps;
  k.taps_x = taps + h;
  k.dst = x + (border * input.w + border) * 3;
  k.dst_stride = input.w * 3;
  r.split(h, k_row_grain, [&](const plan::Share& share) {
    kernels::Preprocess rows = k;
    rows.row_begin = share.begin;
    rows.row_end = share.end;
    r.kernels->preprocess(rows);
  });
}

void prepare_nchw(const plan::Runtime& r, const float* nchw, const plan::Value& input, std::size_t border) {
  const std::size_t h = input.h - 2 * border, w = input.w - 2 * border, plane = h * w;
  float* x = r.at(input);
  zero_border(x, input.h, input.w, border);
  r.split(h, k_row_grain, [&](const plan::Share& share) {
    for (std::size_t y = share.begin; y < share.end; ++y) {
      kernels::Interleave k;
      k.n = w;
      for (std::size_t i = 0; i < 3; ++i) k.x[i] = nchw + i * plane + y * w;
      k.y = x + ((y + border) * input.w + border) * 3;
      r.kernels->interleave(k);
    }
  });
}

}  // namespace lemore::image
