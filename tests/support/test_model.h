#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "lemore/model.h"
#include "support/safetensors_writer.h"

namespace lemore::test {

/// A model of random weights for a configuration, loaded from memory.
inline Model model_of(const SafetensorsWriter& writer) {
  const std::string bytes = writer.bytes();
  auto model = Model::from_memory(bytes.data(), bytes.size(), true, "test");
  INFO("message: " << model.status().message());
  REQUIRE(model.ok());
  return *model;
}

inline Model tiny_model(const std::string& config = k_tiny_config, unsigned seed = 1) {
  return model_of(weight_file(config, seed));
}

/// An 8-bit image that owns its bytes.
struct Image {
  std::vector<std::uint8_t> bytes;
  Size size;
  std::size_t row_bytes = 0;
  PixelFormat format = PixelFormat::rgb;

  ImageView view() const { return {bytes.data(), size, row_bytes, format}; }
};

/// Random blocks of colour with noise: neighbouring pixels agree, as in photographs.
inline Image random_image(Size size, PixelFormat format, unsigned seed) {
  const std::size_t h = static_cast<std::size_t>(size.height), w = static_cast<std::size_t>(size.width);
  const std::size_t n = pixel_bytes(format);
  Image image{std::vector<std::uint8_t>(h * w * n), size, w * n, format};
  std::mt19937 random(seed);
  std::vector<std::uint8_t> block((h / 16 + 1) * (w / 16 + 1) * n);
  for (auto& b : block) b = static_cast<std::uint8_t>(random() % 240);
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t x = 0; x < w; ++x)
      for (std::size_t c = 0; c < n; ++c)
        image.bytes[(y * w + x) * n + c] =
            static_cast<std::uint8_t>(block[((y / 16) * (w / 16 + 1) + x / 16) * n + c] + random() % 16);
  return image;
}

/// The same pixels in another format, with `padding` bytes behind each row. From rgb to the colour formats, from gray
/// to any.
inline Image convert(const Image& from, PixelFormat format, std::size_t padding) {
  const std::size_t h = static_cast<std::size_t>(from.size.height), w = static_cast<std::size_t>(from.size.width);
  const std::size_t n = pixel_bytes(format), m = pixel_bytes(from.format);
  const bool reversed = format == PixelFormat::bgr || format == PixelFormat::bgra;
  Image to{std::vector<std::uint8_t>(h * (w * n + padding), 0x5A), from.size, w * n + padding, format};
  for (std::size_t y = 0; y < h; ++y)
    for (std::size_t x = 0; x < w; ++x)
      for (std::size_t c = 0; c < std::min<std::size_t>(n, 3); ++c) {
        if (n == 2 && c == 1) continue;  // alpha
        const std::size_t source = m == 1 ? 0 : reversed ? 2 - c : c;
        to.bytes[y * to.row_bytes + x * n + c] = from.bytes[(y * w + x) * m + source];
      }
  return to;
}

}  // namespace lemore::test
