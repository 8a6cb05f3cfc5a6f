#include "kernels/ops/preprocess.h"

#include "reference/preprocess.h"
#include "reference/resize.h"
#include "support/kernel_test.h"

namespace lemore::test {
namespace {

using kernels::KernelTable;
using kernels::Preprocess;

struct Size {
  std::size_t h, w, out_h, out_w;
};

/// A seeded image, its taps and where the result goes, padded as a convolution wants it.
struct Case {
  Case(const Size& size, std::size_t pixel_bytes, std::vector<unsigned char> channel, std::size_t row_gap,
       std::uint64_t seed)
      : s(size),
        taps_y(reference::resize_taps(s.h, s.out_h)),
        taps_x(reference::resize_taps(s.w, s.out_w)),
        row_bytes(s.w * pixel_bytes + row_gap),
        dst_stride(3 * (s.out_w + 2)),
        // The last row ends with its last pixel, on both sides.
        pixels(matrix_size(s.h, s.w * pixel_bytes, row_bytes)),
        dst(matrix_size(s.out_h, 3 * s.out_w, dst_stride), k_untouched) {
    Random random(seed);
    for (std::uint8_t& byte : pixels) byte = static_cast<std::uint8_t>(random.below(256));
    pixels[0] = 255;
    args.out_w = s.out_w;
    args.row_end = s.out_h;
    args.pixels = pixels.data();
    args.row_bytes = row_bytes;
    args.pixel_bytes = pixel_bytes;
    for (std::size_t i = 0; i < 3; ++i) {
      args.channel[i] = channel[i];
      args.mean[i] = random.uniform(90.0f, 130.0f);
      args.inv_std[i] = random.uniform(0.01f, 0.02f);
    }
    args.identity = s.h == s.out_h && s.w == s.out_w;
    if (!args.identity) with_taps();
    args.dst = dst.data();
    args.dst_stride = dst_stride;
  }

  void with_taps() {
    args.identity = false;
    args.taps_y = taps_y.data();
    args.taps_x = taps_x.data();
  }

  std::string name() const {
    std::ostringstream text;
    text << "preprocess [" << s.h << ", " << s.w << "] -> [" << s.out_h << ", " << s.out_w << "] pixel_bytes "
         << args.pixel_bytes << " channels " << int{args.channel[0]} << int{args.channel[1]} << int{args.channel[2]}
         << (args.identity ? " identity" : "");
    return text.str();
  }

  static constexpr float k_untouched = 77.0f;
  Size s;
  std::vector<kernels::ResizeTap> taps_y, taps_x;
  std::size_t row_bytes, dst_stride;
  Guarded<std::uint8_t> pixels;
  Floats dst;
  Preprocess args;
};

void check_preprocess(const KernelTable& table, Case& k, std::uint64_t seed) {
  table.preprocess(k.args);
  const double inv_std = static_cast<double>(std::max({k.args.inv_std[0], k.args.inv_std[1], k.args.inv_std[2]}));
  const double tolerance = static_cast<double>(kernels::preprocess_tol) * k_eps * 255.0 * inv_std;
  Comparison comparison(table, k.name(), seed);
  for (std::size_t at = 0; at < k.dst.size(); ++at) {
    const std::size_t y = at / k.dst_stride, x = at % k.dst_stride / 3, i = at % 3;
    const bool inside = x < k.s.out_w && y >= k.args.row_begin && y < k.args.row_end;
    comparison.element({y, x, i}, inside ? reference::preprocess(k.args, y, x, i) : double{Case::k_untouched},
                       static_cast<double>(k.dst[at]), inside ? tolerance : 0.0);
  }
  comparison.require(k.dst.front_intact(), "wrote outside dst");
  check(comparison);
}

struct Layout {
  std::size_t pixel_bytes;
  std::vector<unsigned char> channel;
};
const Layout k_layouts[] = {{1, {0, 0, 0}}, {2, {0, 0, 0}}, {3, {0, 1, 2}}, {3, {2, 1, 0}},
                            {4, {0, 1, 2}}, {4, {2, 1, 0}}, {4, {3, 0, 1}}};

}  // namespace

TEST_CASE("preprocess resizes, chooses channels and normalises", "[kernels][preprocess]") {
  // Narrow and wide (more than a tile of columns), larger, smaller, one pixel to and from.
  const Size sizes[] = {{1, 1, 1, 1},    {1, 1, 4, 7},     {5, 9, 1, 1},     {2, 3, 7, 11},   {11, 13, 4, 5},
                        {3, 40, 5, 129}, {4, 301, 3, 257}, {2, 300, 2, 128}, {3, 17, 6, 384}, {9, 6, 5, 6}};
  for_each_table([&](const KernelTable& table) {
    std::uint64_t seed = 10000;
    for (const Size& s : sizes)
      for (const Layout& layout : k_layouts)
        for (const std::size_t gap : {0, 5}) {
          Case k(s, layout.pixel_bytes, layout.channel, gap, ++seed);
          check_preprocess(table, k, seed);
        }
  });
}

TEST_CASE("preprocess of an image that keeps its size", "[kernels][preprocess]") {
  for_each_table([](const KernelTable& table) {
    std::uint64_t seed = 11000;
    for (const std::size_t w : {1, 2, 3, 5, 6, 7, 8, 15, 16, 17, 31, 127, 128, 129, 260})
      for (const Layout& layout : k_layouts) {
        Case k({3, w, 3, w}, layout.pixel_bytes, layout.channel, 2, ++seed);
        check_preprocess(table, k, seed);
        // The identity taps say the same: to the bit, since 1 * x + 0 * x is x.
        Case taps({3, w, 3, w}, layout.pixel_bytes, layout.channel, 2, seed);
        taps.with_taps();
        table.preprocess(taps.args);
        INFO(table.isa << ": " << k.name());
        CHECK(std::memcmp(k.dst.data(), taps.dst.data(), k.dst.size() * sizeof(float)) == 0);
      }
  });
}

TEST_CASE("preprocess of some rows gives the same bits as of all", "[kernels][preprocess]") {
  for_each_table([](const KernelTable& table) {
    for (const Size& s : {Size{5, 150, 13, 140}, Size{9, 33, 9, 33}}) {
      Case whole(s, 3, {2, 1, 0}, 1, 12000);
      table.preprocess(whole.args);
      for (const std::size_t step : {1, 2, 3, 5}) {
        Case parts(s, 3, {2, 1, 0}, 1, 12000);
        for (std::size_t y = 0; y < s.out_h; y += step) {
          parts.args.row_begin = y;
          parts.args.row_end = std::min(y + step, s.out_h);
          table.preprocess(parts.args);
        }
        INFO(table.isa << ": " << whole.name() << ", " << step << " rows at a time");
        CHECK(std::memcmp(whole.dst.data(), parts.dst.data(), whole.dst.size() * sizeof(float)) == 0);
      }
      for (std::size_t begin = 0; begin <= s.out_h; ++begin) {
        Case some(s, 3, {0, 1, 2}, 0, 12001 + begin);
        some.args.row_begin = begin;
        some.args.row_end = std::min(begin + 2, s.out_h);
        check_preprocess(table, some, 12001 + begin);
      }
    }
  });
}

TEST_CASE("interleave puts three planes side by side", "[kernels][preprocess]") {
  for_each_table([](const KernelTable& table) {
    Random random(9);
    for (const std::size_t n : {0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 129}) {
      Floats planes[3] = {Floats(n), Floats(n), Floats(n)};
      for (Floats& plane : planes) fill_random(plane, random);
      Floats y(3 * n, k_nan);
      table.interleave({n, {planes[0].data(), planes[1].data(), planes[2].data()}, y.data()});
      INFO(table.isa << ": " << n);
      for (std::size_t i = 0; i < 3 * n; ++i) REQUIRE(y[i] == planes[i % 3][i / 3]);
    }
  });
}

}  // namespace lemore::test
