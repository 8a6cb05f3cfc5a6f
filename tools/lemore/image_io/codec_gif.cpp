#include <array>
#include <cstring>
#include <string>

#include "image_io/decode.h"

namespace lemore::cli {

namespace {

struct Reader {
  const std::uint8_t* data;
  std::size_t size;
  std::size_t at = 0;

  std::size_t left() const noexcept { return size - at; }
  std::size_t u16() noexcept {  // requires left() >= 2
    const std::size_t value = data[at] | static_cast<std::size_t>(data[at + 1]) << 8;
    at += 2;
    return value;
  }
  /// Steps over a chain of sub-blocks; false when the file ends inside it.
  bool skip_blocks() noexcept {
    while (at < size) {
      const std::size_t n = data[at++];
      if (n == 0) return true;
      if (n > left()) return false;
      at += n;
    }
    return false;
  }
};

/// Bits of the LZW codes, least significant first, out of sub-blocks of at most 255 bytes.
struct CodeReader {
  Reader& in;
  std::size_t block_left = 0;
  unsigned bits = 0;
  int bit_count = 0;

  /// The next code of `width` bits, or -1 where the data ends.
  int next(int width) noexcept {
    while (bit_count < width) {
      if (block_left == 0) {
        if (in.left() == 0) return -1;
        block_left = in.data[in.at++];
        if (block_left == 0 || block_left > in.left()) return -1;
      }
      bits |= static_cast<unsigned>(in.data[in.at++]) << bit_count;
      --block_left;
      bit_count += 8;
    }
    const int code = static_cast<int>(bits & ((1u << width) - 1));
    bits >>= width;
    bit_count -= width;
    return code;
  }
};

/// LZW as GIF has it: codes of at most 12 bits, a clear code and an end code behind the 2^min_bits literals.
struct Lzw {
  static constexpr int k_codes = 4096;
  std::array<std::uint16_t, k_codes> prefix{};
  std::array<std::uint8_t, k_codes> last{};
  std::array<std::uint8_t, k_codes + 1> stack{};

  /// Writes exactly `count` indices; false when the data are damaged or end before.
  bool decode(Reader& in, int min_bits, std::size_t count, std::uint8_t* out) noexcept {
    const int clear = 1 << min_bits, end = clear + 1;
    CodeReader codes{in};
    int width = min_bits + 1, next_code = end + 1, previous = -1;
    std::uint8_t first = 0;
    for (int i = 0; i < clear; ++i) last[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
    for (std::size_t done = 0; done < count;) {
      int code = codes.next(width);
      if (code < 0 || code == end) return false;
      if (code == clear) {
        width = min_bits + 1;
        next_code = end + 1;
        previous = -1;
        continue;
      }
      if (code > next_code || (code == next_code && previous < 0) || (previous < 0 && code > end)) return false;
      const int this_code = code;
      std::size_t depth = 0;
      if (code == next_code) {  // the string that is only now being defined: previous + its own first index
        stack[depth++] = first;
        code = previous;
      }
      for (; code > end; code = prefix[static_cast<std::size_t>(code)]) {
        stack[depth++] = last[static_cast<std::size_t>(code)];
      }
      first = last[static_cast<std::size_t>(code)];
      stack[depth++] = first;
      if (previous >= 0 && next_code < k_codes) {
        prefix[static_cast<std::size_t>(next_code)] = static_cast<std::uint16_t>(previous);
        last[static_cast<std::size_t>(next_code)] = first;
        ++next_code;
        if (next_code == 1 << width && width < 12) ++width;
      }
      while (depth > 0 && done < count) out[done++] = stack[--depth];
      previous = this_code;
    }
    return true;
  }
};

Status damaged(const char* what) { return Status(StatusCode::invalid_file, std::string("damaged GIF: ") + what); }

}  // namespace

/// The first frame, at its place on the canvas; what it leaves open has the background colour.
Status decode_gif(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image) {
  constexpr const char* k_cut = "the file is cut short";
  Reader in{data, size, 6};
  if (in.left() < 7) return damaged(k_cut);
  const std::size_t width = in.u16(), height = in.u16();
  if (const Status status = check_image_size(width, height, limits); !status.ok()) return status;
  const std::uint8_t screen = data[in.at], background = data[in.at + 1];
  in.at += 3;
  const auto table_bytes = [](std::uint8_t flags) {
    return (flags & 0x80) != 0 ? std::size_t{3} << ((flags & 7) + 1) : std::size_t{0};
  };
  const std::uint8_t* palette = data + in.at;
  std::size_t palette_bytes = table_bytes(screen);
  if (palette_bytes > in.left()) return damaged(k_cut);
  in.at += palette_bytes;
  std::array<std::uint8_t, 3> fill{};
  if (std::size_t{3} * background + 3 <= palette_bytes) std::memcpy(fill.data(), palette + 3 * background, 3);

  for (;;) {
    if (in.left() < 1) return damaged(k_cut);
    const std::uint8_t block = data[in.at++];
    if (block == 0x2C) break;  // image descriptor
    if (block == 0x3B) return damaged("it holds no picture");
    if (block != 0x21) return damaged("unknown block");
    if (in.left() < 1) return damaged(k_cut);
    ++in.at;  // label of the extension
    if (!in.skip_blocks()) return damaged(k_cut);
  }
  if (in.left() < 9) return damaged(k_cut);
  const std::size_t left = in.u16(), top = in.u16(), frame_w = in.u16(), frame_h = in.u16();
  const std::uint8_t flags = data[in.at++];
  if (frame_w == 0 || frame_h == 0 || left + frame_w > width || top + frame_h > height) {
    return damaged("the frame leaves the canvas");
  }
  if (const std::size_t local = table_bytes(flags); local != 0) {
    if (local > in.left()) return damaged(k_cut);
    palette = data + in.at;
    palette_bytes = local;
    in.at += local;
  }
  if (palette_bytes == 0) return damaged("it has no palette");
  if (in.left() < 1) return damaged(k_cut);
  const int min_bits = data[in.at++];
  if (min_bits < 2 || min_bits > 8) return damaged("impossible code size");
  // A code of at most 12 bits gives at most 4096 pixels: this stops huge sizes over little data.
  if (frame_w * frame_h / 4096 > in.left()) return damaged(k_cut);

  if (!image.reset(Size{static_cast<int>(height), static_cast<int>(width)}, PixelFormat::rgb)) {
    return Status(StatusCode::out_of_memory, "no memory for the pixels");
  }
  ByteBuffer indices;
  if (!indices.reserve(frame_w * frame_h)) return Status(StatusCode::out_of_memory, "no memory for the pixels");
  Lzw lzw;
  if (!lzw.decode(in, min_bits, frame_w * frame_h, indices.data())) return damaged("its data are damaged or cut short");
  if (frame_w != width || frame_h != height) {
    for (std::size_t i = 0; i < width * height; ++i) std::memcpy(image.pixels.data() + 3 * i, fill.data(), 3);
  }
  const bool interlaced = (flags & 0x40) != 0;
  std::size_t stored = 0;  // interlaced: rows 0, 8, 16...; 4, 12...; 2, 6...; 1, 3...
  const std::array<std::array<std::size_t, 2>, 4> passes = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  const auto put_row = [&](std::size_t y) {
    const std::uint8_t* from = indices.data() + stored++ * frame_w;
    std::uint8_t* to = image.pixels.data() + 3 * ((top + y) * width + left);
    for (std::size_t x = 0; x < frame_w; ++x) {
      const std::size_t entry = std::size_t{3} * from[x];
      const std::uint8_t black[3] = {0, 0, 0};
      std::memcpy(to + 3 * x, entry + 3 <= palette_bytes ? palette + entry : black, 3);
    }
  };
  if (!interlaced) {
    for (std::size_t y = 0; y < frame_h; ++y) put_row(y);
  } else {
    for (const auto& pass : passes) {
      for (std::size_t y = pass[0]; y < frame_h; y += pass[1]) put_row(y);
    }
  }
  return Status();
}

}  // namespace lemore::cli
