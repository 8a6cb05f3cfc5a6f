#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/ops/conv.h"
#include "kernels/ops/conv3x3s2.h"
#include "kernels/ops/dwconv.h"
#include "reference/gemm.h"

namespace lemore::reference {

/// Output (row, column, channel) of a depthwise convolution of a whole map: the taps that fall into the padding count
/// as zero.
inline Bounded dwconv(const kernels::DepthwiseConv& a, std::size_t row, std::size_t column, std::size_t channel) {
  using Index = std::ptrdiff_t;
  const double bias = a.bias != nullptr ? a.bias[channel] : 0.0;
  double sum = bias, magnitude = std::fabs(bias);
  for (std::size_t i = 0; i < a.kh; ++i) {
    for (std::size_t j = 0; j < a.kw; ++j) {
      const Index y = static_cast<Index>(row * a.stride + i * a.dilation) - static_cast<Index>(a.pad_top);
      const Index x = static_cast<Index>(column * a.stride + j * a.dilation) - static_cast<Index>(a.pad_left);
      if (y < 0 || x < 0 || y >= static_cast<Index>(a.h) || x >= static_cast<Index>(a.w)) continue;
      const double product =
          static_cast<double>(a.x[(static_cast<std::size_t>(y) * a.w + static_cast<std::size_t>(x)) * a.c + channel]) *
          a.weight[(i * a.kw + j) * a.c + channel];
      sum += product;
      magnitude += std::fabs(product);
    }
  }
  const double error = kernels::dwconv_tol * (static_cast<double>(a.kh * a.kw) + 1.0) / (1 << 24) * magnitude;
  return epilogue(sum, error, 1.0, 0.0, a.activation, 0.0);
}

/// Output (row, column, channel) of the stem.
inline Bounded conv3x3s2(const kernels::Conv3x3s2& a, std::size_t row, std::size_t column, std::size_t channel) {
  double sum = 0.0, magnitude = 0.0;
  for (std::size_t kh = 0; kh < 3; ++kh) {
    for (std::size_t kw = 0; kw < 3; ++kw) {
      for (std::size_t in = 0; in < 3; ++in) {
        const double product = static_cast<double>(a.x[(2 * row + kh) * a.x_stride + (2 * column + kw) * 3 + in]) *
                               a.weight[(channel / 16 * 27 + (kh * 3 + kw) * 3 + in) * 16 + channel % 16];
        sum += product;
        magnitude += std::fabs(product);
      }
    }
  }
  const double error = kernels::gemm_tol * 28.0 / (1 << 24) * magnitude;
  return epilogue(sum, error, 1.0, a.bias != nullptr ? a.bias[channel] : 0.0, a.activation, 0.0);
}

/// Output (row, column, channel) of a convolution; `row` counts from the map's first output row.
inline Bounded conv(const kernels::Conv& a, std::size_t row, std::size_t column, std::size_t channel) {
  using Index = std::ptrdiff_t;
  const std::size_t k = a.kh * a.kw * a.c;
  double sum = 0.0, magnitude = 0.0;
  for (std::size_t i = 0; i < a.kh; ++i) {
    for (std::size_t j = 0; j < a.kw; ++j) {
      const Index y = static_cast<Index>(row * a.stride + i) - static_cast<Index>(a.pad_top);
      const Index x = static_cast<Index>(column * a.stride + j) - static_cast<Index>(a.pad_left);
      if (y < 0 || x < 0 || y >= static_cast<Index>(a.h) || x >= static_cast<Index>(a.w)) continue;
      for (std::size_t in = 0; in < a.c; ++in) {
        const double product =
            static_cast<double>(
                a.x[static_cast<std::size_t>(y) * a.x_stride + static_cast<std::size_t>(x) * a.c + in]) *
            a.weight[(channel / 16 * k + (i * a.kw + j) * a.c + in) * 16 + channel % 16];
        sum += product;
        magnitude += std::fabs(product);
      }
    }
  }
  const double bias = a.bias != nullptr ? a.bias[channel] : 0.0;
  const double error = kernels::gemm_tol * (static_cast<double>(k) + 1.0) / (1 << 24) * (magnitude + std::fabs(bias));
  return epilogue(sum, error, 1.0, bias, a.activation, 0.0);
}

}  // namespace lemore::reference
