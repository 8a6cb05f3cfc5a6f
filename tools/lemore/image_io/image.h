#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "lemore/image.h"

namespace lemore::cli {

/// Bytes that are not set to anything before they are written: a page of a large image whose rows never arrive (a
/// broken file that declares a huge size) is never touched and costs no memory. Grows only; move-only.
class ByteBuffer {
 public:
  /// Makes room for `bytes`, contents lost. False when there is no memory. A buffer far larger than what is asked for
  /// is given back, so that one huge image does not stay with a run over small ones.
  bool reserve(std::size_t bytes) noexcept {
    constexpr std::size_t k_keep = std::size_t{64} << 20;
    if (bytes <= capacity_ && (capacity_ <= k_keep || capacity_ / 4 <= bytes)) return true;
    storage_.reset();
    capacity_ = 0;
    storage_.reset(static_cast<std::uint8_t*>(std::malloc(bytes != 0 ? bytes : 1)));
    if (!storage_) return false;
    capacity_ = bytes;
    return true;
  }
  std::uint8_t* data() noexcept { return storage_.get(); }
  const std::uint8_t* data() const noexcept { return storage_.get(); }

 private:
  struct Free {
    void operator()(std::uint8_t* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::uint8_t, Free> storage_;
  std::size_t capacity_ = 0;
};

/// A decoded photograph: 8-bit gray or RGB, rows without padding, upright.
struct Image {
  ByteBuffer pixels;
  Size size;
  PixelFormat format = PixelFormat::rgb;
  std::string warning;  ///< what the reader of the file should know, without the file's name; mostly empty

  std::size_t row_bytes() const noexcept { return static_cast<std::size_t>(size.width) * pixel_bytes(format); }
  const std::uint8_t* row(int y) const noexcept { return pixels.data() + static_cast<std::size_t>(y) * row_bytes(); }
  ImageView view() const noexcept { return ImageView{pixels.data(), size, row_bytes(), format}; }

  /// Sets size and format and makes room for the pixels; false when there is no memory.
  bool reset(Size new_size, PixelFormat new_format) noexcept {
    size = new_size;
    format = new_format;
    return pixels.reserve(static_cast<std::size_t>(size.height) * row_bytes());
  }
};

}  // namespace lemore::cli
