#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "image_io/decode.h"
#include "image_io/image.h"

inline lemore::Status decode(const std::vector<std::uint8_t>& bytes, lemore::cli::Image& image,
                             const lemore::cli::DecodeLimits& limits = {}) {
  // A copy of exactly this size, so that ASan sees a read behind the end.
  std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[bytes.size() + 1]);
  if (!bytes.empty()) std::memcpy(exact.get() + 1, bytes.data(), bytes.size());
  lemore::cli::Image scratch;
  return lemore::cli::decode_image(exact.get() + 1, bytes.size(), limits, image, scratch);
}

inline std::vector<int> pixels_of(const lemore::cli::Image& image) {
  return std::vector<int>(image.pixels.data(),
                          image.pixels.data() + static_cast<std::size_t>(image.size.height) * image.row_bytes());
}

/// Every file cut anywhere, and with bytes flipped, must give an image or a message, never a crash. A cut PNG, PNM or
/// BMP is never accepted; a JPEG may miss its last marker.
inline void mistreat(const std::vector<std::uint8_t>& bytes, std::size_t may_miss) {
  lemore::cli::Image image;
  for (std::size_t size = 0; size + may_miss < bytes.size(); ++size) {
    const lemore::Status status =
        decode(std::vector<std::uint8_t>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), image);
    INFO("cut to " << size << " of " << bytes.size());
    CHECK_FALSE(status.ok());
    CHECK_FALSE(status.message().empty());
    CHECK(status.message().find('\n') == std::string::npos);
  }
  std::mt19937 random(7);
  lemore::cli::DecodeLimits limits;
  limits.max_pixels = 1 << 20;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::uint8_t> damaged = bytes;
    for (int flips = 1 + i % 4; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= std::uint8_t(1u << random() % 8);
    const lemore::Status status = decode(damaged, image, limits);
    if (!status.ok()) CHECK_FALSE(status.message().empty());
  }
}
