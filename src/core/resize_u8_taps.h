#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ops/resize_u8.h"

namespace lemore::core {

/// Weights of one output coordinate of resample_taps, at most: 2 for images that grow, 2 * ceil(src / dst) + 1 for
/// those that shrink.
std::size_t resample_weights(std::size_t src, std::size_t dst) noexcept;

/// Pillow's bilinear filter from src to dst pixels: taps [dst], weights [dst, resample_weights(src, dst)], zero beyond
/// each tap's count. The arithmetic is Pillow's, in double (precompute_coeffs and normalize_coeffs_8bpc of
/// src/libImaging/Resample.c), for the whole image as the box. Requires src, dst >= 1.
void resample_taps(std::size_t src, std::size_t dst, kernels::ResampleTap* taps, std::int32_t* weights) noexcept;

/// Whether cv2.resize with INTER_LINEAR takes the mean of four pixels (ResizeLinearU8::halve).
constexpr bool halves_u8(std::size_t h, std::size_t w, std::size_t out_h, std::size_t out_w) noexcept {
  return out_h > 0 && out_w > 0 && h == 2 * out_h && w == 2 * out_w;
}

/// OpenCV's linear taps src -> dst: 11-bit weights from float coordinates computed in double (cv::resize of
/// modules/imgproc/src/resize.cpp). `across`: outside the image the weight is that of the border pixel alone, as OpenCV
/// has it along a row; down a column the weights stay and both rows are the border. Requires src, dst >= 1.
void linear_taps_u8(std::size_t src, std::size_t dst, bool across, kernels::LinearTapU8* taps) noexcept;

}  // namespace lemore::core
