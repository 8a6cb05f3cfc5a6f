#include "kernels/ops/resize_u8.h"

#include "core/resize_u8_taps.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using Bytes = Guarded<std::uint8_t>;

/// What a library made of the picture that fill_picture makes.
struct Recorded {
  std::size_t h, w, c, out_h, out_w;
  std::uint32_t hash;
  std::vector<int> bytes;  ///< of small ones
};

// Pillow 10.4, Image.resize(BILINEAR), and OpenCV 4.10, cv2.resize(INTER_LINEAR), of the same picture.
// h, w, channels, height and width asked for, FNV-1a of the bytes, the bytes
const Recorded k_pillow[] = {
    {5, 7, 1, 3, 4, 0xf289ce17u, {70, 102, 136, 133, 128, 105, 115, 100, 132, 115, 127, 149}},
    {3, 4, 1, 5, 7, 0xa71552bfu, {0,  35, 90,  146, 183, 92,  35,  21, 57,  114, 120, 115, 84,  65,  53, 90,  150, 81,
                                  12, 72, 109, 85,  124, 185, 119, 53, 115, 153, 106, 146, 209, 145, 80, 143, 183}},
    {4,
     6,
     3,
     2,
     3,
     0xdff43d73u,
     {90, 121, 121, 106, 137, 108, 141, 125, 108, 118, 149, 133, 98, 129, 141, 130, 114, 129}},
    {2, 3, 4, 3, 2, 0xede55951u, {36,  67,  98, 129, 158, 189, 60,  91,  64, 95, 126, 157,
                                  110, 141, 92, 123, 92,  123, 154, 185, 62, 93, 124, 155}},
    {1, 1, 1, 2, 2, 0x4b95f515u, {0, 0, 0, 0}},
    {61, 47, 3, 23, 31, 0x5c03fa9au, {}},
    {23, 31, 3, 61, 47, 0x71b84adeu, {}},
    {64, 48, 4, 32, 24, 0xe89e822eu, {}},
    {64, 48, 1, 32, 25, 0x218e4a2eu, {}},
    {40, 50, 3, 40, 50, 0x29a840f5u, {}},
};

// h, w, channels, height and width asked for, FNV-1a of the bytes, the bytes
const Recorded k_opencv[] = {
    {5, 7, 1, 3, 4, 0xce56e195u, {55, 122, 146, 128, 148, 86, 56, 58, 144, 167, 158, 148}},
    {3, 4, 1, 5, 7, 0xc13c4ce3u, {0,  34, 90,  145, 183, 92,  35,  21, 57,  114, 120, 114, 84,  65,  53, 90,  150, 81,
                                  12, 72, 109, 85,  123, 185, 119, 53, 115, 153, 106, 145, 209, 144, 80, 143, 183}},
    {4, 6, 3, 2, 3, 0xfe314c06u, {77, 108, 139, 86, 117, 84, 159, 126, 93, 126, 157, 124, 99, 130, 161, 136, 103, 134}},
    {4, 6, 2, 2, 3, 0x7a493e31u, {77, 108, 86, 117, 159, 126, 126, 157, 99, 130, 136, 103}},
    {2, 3, 4, 3, 2, 0x1c272a3du, {24,  55,  86, 117, 170, 201, 40,  71,  52, 83, 114, 145,
                                  106, 137, 72, 103, 79,  110, 141, 172, 43, 74, 105, 136}},
    {1, 1, 1, 2, 2, 0x4b95f515u, {0, 0, 0, 0}},
    {61, 47, 3, 23, 31, 0x8d7737a1u, {}},
    {23, 31, 3, 61, 47, 0xb53d5ab7u, {}},
    {64, 48, 4, 32, 24, 0xc6543905u, {}},
    {64, 48, 1, 32, 25, 0xe0d50928u, {}},
    {90, 33, 2, 37, 80, 0xb0e41adbu, {}},
    {40, 50, 3, 40, 50, 0x29a840f5u, {}},
};

void fill_picture(Bytes& x, std::size_t w, std::size_t c) {
  for (std::size_t at = 0; at < x.size(); ++at) {
    const std::size_t row = at / c / w, column = at / c % w, i = at % c;
    x[at] = static_cast<std::uint8_t>(row * 53 + column * 97 + i * 31 + row * column * 7);
  }
}

std::string different(const char* isa, const Recorded& k, const Bytes& y) {
  std::ostringstream text;
  text << isa << ": " << k.h << "x" << k.w << "x" << k.c << " to " << k.out_h << "x" << k.out_w << ": ";
  for (std::size_t i = 0; i < k.bytes.size(); ++i) {
    if (y[i] == k.bytes[i]) continue;
    text << "byte " << i << " is " << int{y[i]} << ", not " << k.bytes[i];
    return text.str();
  }
  std::uint32_t hash = 0x811c9dc5u;
  for (const std::uint8_t byte : y) hash = (hash ^ byte) * 0x01000193u;
  if (!y.front_intact()) text << "wrote outside y";
  return hash == k.hash && y.front_intact() ? "" : text.str() + " hash " + std::to_string(hash);
}

struct Resampler {
  std::vector<kernels::ResampleTap> taps;
  std::vector<std::int32_t> weights;
  std::size_t stride;

  Resampler(std::size_t from, std::size_t to)
      : taps(to), weights(to * core::resample_weights(from, to)), stride(core::resample_weights(from, to)) {
    core::resample_taps(from, to, taps.data(), weights.data());
  }
};

}  // namespace

TEST_CASE("u8_resample gives Pillow's bytes", "[kernels][resize_u8]") {
  for_each_table([](const KernelTable& table) {
    for (const Recorded& k : k_pillow) {
      Bytes x(k.h * k.w * k.c), between(k.h * k.out_w * k.c, 0, 1), y(k.out_h * k.out_w * k.c, 0, 1);
      fill_picture(x, k.w, k.c);
      const Resampler across(k.w, k.out_w), down(k.h, k.out_h);
      kernels::ResampleU8 a;
      a.rows = k.h;
      a.out = k.out_w;
      a.c = k.c;
      a.x = x.data();
      a.x_stride = k.w * k.c;
      a.taps = across.taps.data();
      a.weights = across.weights.data();
      a.weight_stride = across.stride;
      a.y = between.data();
      a.y_stride = k.out_w * k.c;
      table.resample(a);
      a.down = true;
      a.x = between.data();
      a.x_stride = a.y_stride;
      a.taps = down.taps.data();
      a.weights = down.weights.data();
      a.weight_stride = down.stride;
      for (std::size_t row = 0; row < k.out_h; row += 3) {  // in shares of rows
        a.row_begin = row;
        a.rows = std::min<std::size_t>(3, k.out_h - row);
        a.y = y.data() + row * a.y_stride;
        table.resample(a);
      }
      CHECK(between.front_intact());
      CHECK(different(table.isa, k, y) == "");
    }
  });
}

TEST_CASE("u8_resize_linear gives OpenCV's bytes", "[kernels][resize_u8]") {
  for_each_table([](const KernelTable& table) {
    for (const Recorded& k : k_opencv) {
      Bytes x(k.h * k.w * k.c), y(k.out_h * k.out_w * k.c, 0, 1);
      fill_picture(x, k.w, k.c);
      Guarded<std::int32_t> scratch(2 * k.out_w * k.c);
      std::vector<kernels::LinearTapU8> across(k.out_w), down(k.out_h);
      core::linear_taps_u8(k.w, k.out_w, true, across.data());
      core::linear_taps_u8(k.h, k.out_h, false, down.data());
      kernels::ResizeLinearU8 a;
      a.out_w = k.out_w;
      a.c = k.c;
      a.halve = core::halves_u8(k.h, k.w, k.out_h, k.out_w);
      a.x = x.data();
      a.x_stride = k.w * k.c;
      a.taps_x = across.data();
      a.taps_y = down.data();
      a.y_stride = k.out_w * k.c;
      a.scratch = scratch.data();
      for (std::size_t row = 0; row < k.out_h; row += 5) {  // in shares of rows
        a.row_begin = row;
        a.row_end = std::min(row + 5, k.out_h);
        a.y = y.data() + row * a.y_stride;
        table.resize_linear(a);
      }
      CHECK(scratch.front_intact());
      CHECK(different(table.isa, k, y) == "");
    }
  });
}

}  // namespace lemore::test
