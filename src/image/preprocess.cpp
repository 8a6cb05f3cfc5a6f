#include "image/preprocess.h"

#include <algorithm>

#include "core/resize_taps.h"
#include "core/text.h"
#include "kernels/ops/preprocess.h"

namespace lemore::image {

namespace {

constexpr std::size_t k_row_grain = 16;

void zero_border(float* x, std::size_t h, std::size_t w) {
  const std::size_t row = w * 3;
  std::fill(x, x + row, 0.0f);
  std::fill(x + (h - 1) * row, x + h * row, 0.0f);
  for (std::size_t y = 1; y + 1 < h; ++y) {
    std::fill(x + y * row, x + y * row + 3, 0.0f);
    std::fill(x + (y + 1) * row - 3, x + (y + 1) * row, 0.0f);
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
             kernels::ResizeTap* taps) {
  const std::size_t h = input.h - 2, w = input.w - 2;
  float* x = r.at(input);
  zero_border(x, input.h, input.w);

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
  k.dst = x + input.w * 3 + 3;
  k.dst_stride = input.w * 3;
  r.split(h, k_row_grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    kernels::Preprocess share = k;
    share.row_begin = begin;
    share.row_end = end;
    r.kernels->preprocess(share);
  });
}

void prepare_nchw(const plan::Runtime& r, const float* nchw, const plan::Value& input) {
  const std::size_t h = input.h - 2, w = input.w - 2, plane = h * w;
  float* x = r.at(input);
  zero_border(x, input.h, input.w);
  r.split(h, k_row_grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t y = begin; y < end; ++y) {
      kernels::Interleave k;
      k.n = w;
      for (std::size_t i = 0; i < 3; ++i) k.x[i] = nchw + i * plane + y * w;
      k.y = x + ((y + 1) * input.w + 1) * 3;
      r.kernels->interleave(k);
    }
  });
}

}  // namespace lemore::image
