#include "image/protocol.h"

#include <algorithm>
#include <cstddef>

#include "core/resize_u8_taps.h"
#include "kernels/ops/resize_u8.h"

namespace lemore::image {

namespace {

constexpr std::size_t k_channels = 3, k_row_grain = 16;

std::size_t size(int n) { return static_cast<std::size_t>(n); }

int rounded_up(int n, int divisor) { return (n + divisor - 1) / divisor * divisor; }

}  // namespace

Size target_size(const Preprocessing& p, Size input, Size image) {
  Size target = input;
  if (p.size_rule == SizeRule::native) target = image;
  if (p.size_rule == SizeRule::fit) {
    const double longer = std::max(image.height, image.width), shorter = std::min(image.height, image.width);
    const double scale = std::min(p.fit_long / longer, p.fit_short / shorter);
    const auto side = [&](int n) { return std::max(1, static_cast<int>(n * scale + 0.5)); };
    target = {side(image.height), side(image.width)};
  }
  return {rounded_up(target.height, p.divisor), rounded_up(target.width, p.divisor)};
}

Size slid_size(const Preprocessing& p, Size image) {
  return p.size_rule == SizeRule::exact ? image : target_size(p, image, image);
}

ImageView Resizer::to_rgb(const ImageView& image) {
  if (image.format == PixelFormat::rgb) return image;
  const std::size_t h = size(image.size.height), w = size(image.size.width), step = pixel_bytes(image.format);
  const bool is_reversed = image.format == PixelFormat::bgr || image.format == PixelFormat::bgra;
  rgb_.resize(h * w * k_channels);
  std::uint8_t* out = rgb_.data();
  for (std::size_t y = 0; y < h; ++y) {
    const std::uint8_t* in = image.data + y * image.row_bytes;
    for (std::size_t x = 0; x < w; ++x, in += step)
      for (std::size_t c = 0; c < k_channels; ++c) *out++ = in[step < k_channels ? 0 : is_reversed ? 2 - c : c];
  }
  return {rgb_.data(), image.size, w * k_channels, PixelFormat::rgb};
}

ImageView Resizer::resize(const plan::Runtime& r, ResizeRule rule, const ImageView& image, Size target) {
  const ImageView from = to_rgb(image);
  const std::size_t h = size(from.size.height), w = size(from.size.width);
  const std::size_t out_h = size(target.height), out_w = size(target.width), out_row = out_w * k_channels;
  out_.resize(out_h * out_row);
  const ImageView result{out_.data(), target, out_row, PixelFormat::rgb};

  if (rule == ResizeRule::opencv) {
    taps_.resize((out_h + out_w) * sizeof(kernels::LinearTapU8));
    auto* taps = reinterpret_cast<kernels::LinearTapU8*>(taps_.data());
    const std::size_t per_worker = 2 * out_row;
    scratch_.resize(per_worker * size(r.parallel.workers));
    kernels::ResizeLinearU8 k;
    k.out_w = out_w;
    k.c = k_channels;
    k.halve = core::halves_u8(h, w, out_h, out_w);
    k.x = from.data;
    k.x_stride = from.row_bytes;
    core::linear_taps_u8(h, out_h, false, taps);
    core::linear_taps_u8(w, out_w, true, taps + out_h);
    k.taps_y = taps;
    k.taps_x = taps + out_h;
    k.y_stride = out_row;
    r.split(out_h, k_row_grain, [&](const plan::Share& share) {
      kernels::ResizeLinearU8 rows = k;
      rows.row_begin = share.begin;
      rows.row_end = share.end;
      rows.y = out_.data() + share.begin * out_row;
      rows.scratch = scratch_.data() + share.worker * per_worker;
      r.kernels->resize_linear(rows);
    });
    return result;
  }

  // Pillow: across, rounded to 8 bits, then down.
  const std::size_t weights_x = core::resample_weights(w, out_w), weights_y = core::resample_weights(h, out_h);
  taps_.resize((out_h + out_w) * sizeof(kernels::ResampleTap));
  auto* taps = reinterpret_cast<kernels::ResampleTap*>(taps_.data());
  weights_.resize(out_w * weights_x + out_h * weights_y);
  std::int32_t* down_weights = weights_.data() + out_w * weights_x;
  core::resample_taps(w, out_w, taps, weights_.data());
  core::resample_taps(h, out_h, taps + out_w, down_weights);
  ImageView between = from;
  if (out_w != w) {
    across_.resize(h * out_row);
    between = {across_.data(), {from.size.height, target.width}, out_row, PixelFormat::rgb};
    r.split(h, k_row_grain, [&](const plan::Share& share) {
      kernels::ResampleU8 k;
      k.rows = share.count();
      k.out = out_w;
      k.c = k_channels;
      k.x = from.data + share.begin * from.row_bytes;
      k.x_stride = from.row_bytes;
      k.taps = taps;
      k.weights = weights_.data();
      k.weight_stride = weights_x;
      k.y = across_.data() + share.begin * out_row;
      k.y_stride = out_row;
      r.kernels->resample(k);
    });
  }
  if (out_h == h) return between;
  r.split(out_h, k_row_grain, [&](const plan::Share& share) {
    kernels::ResampleU8 k;
    k.down = true;
    k.rows = share.count();
    k.out = out_w;
    k.c = k_channels;
    k.row_begin = share.begin;
    k.x = between.data;
    k.x_stride = between.row_bytes;
    k.taps = taps + out_w;
    k.weights = down_weights;
    k.weight_stride = weights_y;
    k.y = out_.data() + share.begin * out_row;
    k.y_stride = out_row;
    r.kernels->resample(k);
  });
  return result;
}

}  // namespace lemore::image
