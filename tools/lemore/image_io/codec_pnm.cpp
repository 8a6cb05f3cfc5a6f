#include <string>

#include "image_io/decode.h"

namespace lemore::cli {

namespace {

/// Header of a PNM file: numbers separated by white space and comments that run from # to the end of the line.
struct Scanner {
  const std::uint8_t* data;
  std::size_t size;
  std::size_t at;

  static bool is_space(std::uint8_t c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

  void skip_space() noexcept {
    while (at < size) {
      if (data[at] == '#') {
        while (at < size && data[at] != '\n') ++at;
      } else if (is_space(data[at])) {
        ++at;
      } else {
        return;
      }
    }
  }
  /// The next number, or -1 when there is none or it is absurd.
  std::int64_t number() noexcept {
    skip_space();
    std::int64_t value = -1;
    for (; at < size && data[at] >= '0' && data[at] <= '9'; ++at) {
      value = (value < 0 ? 0 : value) * 10 + (data[at] - '0');
      if (value > 0x7FFFFFFF) return -1;
    }
    return value;
  }
  /// The next digit of a plain bitmap, where digits need no space between them; -1 at the end.
  int bit() noexcept {
    skip_space();
    return at < size && (data[at] == '0' || data[at] == '1') ? data[at++] - '0' : -1;
  }
};

Status damaged(const char* what) { return Status(StatusCode::invalid_file, std::string("damaged PNM: ") + what); }
Status cut_short() { return damaged("the file is cut short"); }

}  // namespace

/// P1..P6: bitmap, gray and colour, plain and binary. Samples are scaled from 0..maxval to 0..255, rounded.
Status decode_pnm(const std::uint8_t* data, std::size_t size, const DecodeLimits& limits, Image& image) {
  const int kind = data[1] - '0';
  const bool is_bitmap = kind == 1 || kind == 4, is_color = kind == 3 || kind == 6, is_plain = kind <= 3;
  Scanner in{data, size, 2};
  const std::int64_t width = in.number(), height = in.number(), max = is_bitmap ? 1 : in.number();
  if (width < 0 || height < 0) return damaged("no width and height");
  if (const Status status =
          check_image_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), limits);
      !status.ok()) {
    return status;
  }
  if (max < 1 || max > 65535) return damaged("the largest value must be 1 to 65535");
  if (in.at >= size || !Scanner::is_space(data[in.at])) return cut_short();
  ++in.at;  // one byte of white space, then the samples

  const std::size_t channels = is_color ? 3 : 1, row_samples = static_cast<std::size_t>(width) * channels;
  const std::size_t sample_bytes = max > 255 ? 2 : 1;
  const std::size_t row_bytes = kind == 4 ? (row_samples + 7) / 8 : row_samples * sample_bytes;
  const std::size_t rows = static_cast<std::size_t>(height);
  // A plain sample takes a digit and a space (of a bitmap: a digit), so a huge size with little data is stopped here
  // too.
  const std::size_t samples = rows * row_samples;
  const std::size_t least = !is_plain ? rows * row_bytes : is_bitmap ? samples : 2 * samples - 1;
  if (least > size - in.at) return cut_short();
  if (!image.reset(Size{static_cast<int>(height), static_cast<int>(width)},
                   is_color ? PixelFormat::rgb : PixelFormat::gray)) {
    return Status(StatusCode::out_of_memory, "no memory for the pixels");
  }

  for (std::size_t y = 0; y < rows; ++y) {
    std::uint8_t* to = image.pixels.data() + y * row_samples;
    const std::uint8_t* from = data + in.at + y * row_bytes;
    for (std::size_t i = 0; i < row_samples; ++i) {
      std::int64_t value = 0;
      if (kind == 1) {
        value = 1 - in.bit();  // 1 is black; the end of the data gives 2
      } else if (kind == 4) {
        value = 1 - (from[i / 8] >> (7 - i % 8) & 1);
      } else if (is_plain) {
        value = in.number();
        if (value < 0) return cut_short();
      } else {
        value = sample_bytes == 2 ? from[2 * i] << 8 | from[2 * i + 1] : from[i];
      }
      if (value > max) return damaged("a sample is above the largest value");
      to[i] = static_cast<std::uint8_t>((value * 255 + max / 2) / max);
    }
  }
  return Status();
}

}  // namespace lemore::cli
