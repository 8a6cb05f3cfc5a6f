#include <unistd.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>

#include "lemore/segmenter.h"
#include "support/allocations.h"
#include "support/files.h"
#include "support/status_checks.h"
#include "support/test_model.h"

// Where memory comes from, and that it does not grow.

using namespace lemore;
using test::random_image;

namespace {

std::size_t pixels(Size size) { return static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width); }

struct Labels {
  std::vector<std::uint8_t> labels;
  std::vector<float> confidence;

  explicit Labels(Size size) : labels(pixels(size), 0xEE), confidence(pixels(size), -1.0f) {}
  bool operator==(const Labels& o) const {
    return labels == o.labels &&
           std::memcmp(confidence.data(), o.confidence.data(), confidence.size() * sizeof(float)) == 0;
  }
};

Status segment(Segmenter& segmenter, const test::Image& image, Labels& out) {
  const std::size_t width = static_cast<std::size_t>(image.size.width);
  const ConfidenceView confidence{out.confidence.data(), image.size, width};
  return segmenter.segment(image.view(), {out.labels.data(), image.size, width}, &confidence);
}

// `bytes` aligned as an arena must be, all of it and the `k_behind` floats behind it NaN.
class Memory {
 public:
  explicit Memory(std::size_t bytes) : floats_(bytes / sizeof(float)), all_(floats_ + k_behind + 16, std::nanf("")) {
    data_ = all_.data();
    while (reinterpret_cast<std::uintptr_t>(data_) % k_alignment != 0) ++data_;
  }
  void* data() { return data_; }
  bool intact_behind() const {
    return std::all_of(data_ + floats_, data_ + floats_ + k_behind, [](float x) { return std::isnan(x); });
  }
  bool holds(const void* p) const { return p >= data_ && p < data_ + floats_; }

 private:
  static constexpr std::size_t k_behind = 64;
  std::size_t floats_;
  std::vector<float> all_;
  float* data_;
};

// Hands out memory that the counters of operator new and malloc do not see, and keeps account of it.
struct Pool {
  std::vector<unsigned char> memory = std::vector<unsigned char>(std::size_t{16} << 20);
  std::size_t used = 0, held = 0, calls = 0, most = 0;
  bool refuses = false;

  static void* allocate(void* context, std::size_t bytes, std::size_t alignment) {
    Pool& p = *static_cast<Pool*>(context);
    void* at = p.memory.data() + p.used;
    std::size_t room = p.memory.size() - p.used;
    if (p.refuses || std::align(alignment, bytes, at, room) == nullptr) return nullptr;
    p.used = p.memory.size() - room + bytes;
    p.held += bytes;
    p.most = std::max(p.most, p.held);
    ++p.calls;
    return at;
  }
  static void release(void* context, void*, std::size_t bytes) {
    Pool& p = *static_cast<Pool*>(context);
    p.held -= bytes;
    if (p.held == 0) p.used = 0;
  }
};

// Resident memory of this process.
std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a segmenter works in the caller's arena, of exactly as many bytes as it said", "[segmenter][memory]") {
  const Model model = test::tiny_model();  // 64x96
  // The model's own size, smaller, larger, narrow, many windows.
  const Size sizes[] = {{64, 96}, {40, 50}, {100, 130}, {33, 700}};
  for (const ModeInfo& info : k_modes)
    for (const int threads : {1, 3}) {
      const Mode mode = info.mode;
      if (threads == 1 && mode != Mode::slide) continue;
      SegmenterOptions options;
      options.mode = mode;
      options.threads = threads;
      std::size_t largest = 0;
      std::vector<Labels> expected;
      for (const Size size : sizes) {
        INFO(mode_name(mode) << ", " << threads << " threads, " << size.height << "x" << size.width);
        const auto image = random_image(size, PixelFormat::rgb, 11);
        auto own = Segmenter::create(model, options);
        test::require_ok(own);
        test::require_ok(segment(*own, image, expected.emplace_back(size)));

        const auto bytes = Segmenter::arena_bytes(model, options, size);
        test::require_ok(bytes);
        largest = std::max(largest, *bytes);
        Memory memory(*bytes);
        SegmenterOptions given = options;
        given.arena = memory.data();
        given.arena_bytes = *bytes;
        auto segmenter = Segmenter::create(model, given);
        test::require_ok(segmenter);
        Labels labels(size);
        test::require_ok(segment(*segmenter, image, labels));
        REQUIRE(labels == expected.back());
        REQUIRE(memory.holds(segmenter->session().logits().data));
        REQUIRE(memory.intact_behind());

        // A byte less: refused by create or by segment, with the figure.
        given.arena_bytes = *bytes - 1;
        const auto small = Segmenter::create(model, given);
        Status status = small.status();
        if (small.ok()) {
          auto again = Segmenter::create(model, given);
          status = segment(*again, image, labels);
        }
        test::require_error(status, StatusCode::invalid_argument, {"arena", std::to_string(*bytes)});
      }

      // One arena for all of them, in turn; and still after an image that it is too small for.
      Memory memory(largest);
      options.arena = memory.data();
      options.arena_bytes = largest;
      auto segmenter = Segmenter::create(model, options);
      test::require_ok(segmenter);
      for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < expected.size(); ++i) {
          Labels labels(sizes[i]);
          test::require_ok(segment(*segmenter, random_image(sizes[i], PixelFormat::rgb, 11), labels));
          REQUIRE(labels == expected[i]);
        }
        if (mode != Mode::native) continue;
        Labels labels({200, 700});
        const auto image = random_image({200, 700}, PixelFormat::rgb, 11);
        test::require_error(segment(*segmenter, image, labels), StatusCode::invalid_argument, {"arena"});
      }
      REQUIRE(memory.intact_behind());
    }
}

TEST_CASE("a segmenter's arena is refused where it can't be one", "[segmenter][memory]") {
  const Model model = test::tiny_model();
  SegmenterOptions options;
  options.threads = 1;
  Memory memory(1 << 20);
  options.arena = static_cast<float*>(memory.data()) + 1;
  options.arena_bytes = 1 << 19;
  test::require_error(Segmenter::create(model, options), StatusCode::invalid_argument, {"arena", "aligned"});
  options.arena = memory.data();
  options.arena_bytes = 0;
  test::require_error(Segmenter::create(model, options), StatusCode::invalid_argument, {"arena", "got 0"});
  options = {};
  test::require_error(Segmenter::arena_bytes(model, options, {0, 5}), StatusCode::invalid_argument, {"0x5"});
  options.mode = Mode::native;
  test::require_error(Segmenter::arena_bytes(model, options, {31, 64}), StatusCode::invalid_shape, {"31"});
  options.mode = Mode::slide;
  // The last two have too many windows to list.
  for (const Size size : {Size{64, 31}, Size{64, (1 << 24) + 1}, Size{std::numeric_limits<int>::max(), 64}})
    test::require_error(Segmenter::arena_bytes(model, options, size), StatusCode::invalid_shape, {"slide", "16777216"});
  options.stride = {65, 1};
  test::require_error(Segmenter::arena_bytes(model, options, {64, 64}), StatusCode::invalid_argument, {"stride"});
  options = {};
  options.threads = -1;
  test::require_error(Segmenter::arena_bytes(model, options, {64, 64}), StatusCode::invalid_argument, {"threads"});
}

TEST_CASE("all large memory comes from the caller's allocator", "[segmenter][memory]") {
  const Model model = test::tiny_model();
  const Size small{128, 256}, large{200, 400};  // planned alike in native mode
  for (const ModeInfo& info : k_modes) {
    const Mode mode = info.mode;
    INFO(mode_name(mode));
    Pool pool;
    SegmenterOptions options;
    options.mode = mode;
    options.threads = 2;
    options.allocator = Allocator{Pool::allocate, Pool::release, &pool};
    std::ptrdiff_t of_new[2] = {}, rows_and_columns[2] = {};
    for (const Size size : {small, large}) {
      const bool is_large = size == large;
      const auto image = random_image(size, PixelFormat::rgb, 12);
      Labels labels(size);
      const std::ptrdiff_t before = test::live_bytes();
      const std::size_t calls = pool.calls;
      {
        auto segmenter = Segmenter::create(model, options);
        test::require_ok(segmenter);
        test::require_ok(segment(*segmenter, image, labels));
        const auto bytes = Segmenter::arena_bytes(model, options, size);
        test::require_ok(bytes);
        // What is in use when all is planned; create's own plan may have been larger.
        CHECK(pool.held <= *bytes);
        CHECK(pool.most >= *bytes);
        const std::size_t allocated = pool.calls;
        test::require_ok(segment(*segmenter, image, labels));
        CHECK(pool.calls == allocated);  // kept for the next one
        of_new[is_large] = test::live_bytes() - before;
      }
      CHECK(pool.held == 0);
      CHECK(pool.calls > calls);
      rows_and_columns[is_large] = size.height + size.width;
    }
    if (!test::allocations_are_counted()) continue;
    constexpr std::ptrdiff_t k_lists = 4096;  // of windows, and of steps that differ
    CHECK(of_new[1] <= of_new[0] + 24 * (rows_and_columns[1] - rows_and_columns[0]) + k_lists);
  }
}

TEST_CASE("an allocator that has no more is an error that leaves the segmenter usable", "[segmenter][memory]") {
  const Model model = test::tiny_model();
  const auto fits = random_image({64, 96}, PixelFormat::rgb, 13),
             too_large = random_image({150, 700}, PixelFormat::rgb, 13);
  for (const Mode mode : {Mode::native, Mode::slide}) {
    INFO(mode_name(mode));
    Pool pool;
    SegmenterOptions options;
    options.mode = mode;
    options.threads = 1;
    options.allocator = Allocator{Pool::allocate, Pool::release, &pool};
    auto segmenter = Segmenter::create(model, options);
    test::require_ok(segmenter);
    Labels first(fits.size), again(fits.size), other(too_large.size);
    test::require_ok(segment(*segmenter, fits, first));
    pool.refuses = true;
    test::require_error(segment(*segmenter, too_large, other), StatusCode::out_of_memory, {"arena", "bytes"});
    pool.refuses = false;
    test::require_ok(segment(*segmenter, fits, again));
    REQUIRE(again == first);
    test::require_ok(segment(*segmenter, too_large, other));
  }
}

TEST_CASE("a model that was copied outlives its file's bytes", "[session][memory]") {
  const test::TempFile file(test::weight_file().bytes());
  const auto mapped = Model::load(file.path());
  LoadOptions copy;
  copy.copy = true;
  const auto copied = Model::load(file.path(), copy);
  test::require_ok(mapped);
  test::require_ok(copied);
  const auto image = random_image({64, 96}, PixelFormat::rgb, 16);
  const auto labels_of = [&](const Model& model) {
    SegmenterOptions options;
    options.threads = 1;
    auto segmenter = Segmenter::create(model, options);
    test::require_ok(segmenter);
    Labels labels(image.size);
    test::require_ok(segment(*segmenter, image, labels));
    return labels;
  };
  const Labels expected = labels_of(*mapped);
  REQUIRE(::truncate(file.path().c_str(), 0) == 0);  // from here on `mapped` must not be used
  REQUIRE(labels_of(*copied) == expected);
}

TEST_CASE("sizes that alternate do not make memory grow", "[session][segmenter][memory]") {
  // LEMORE_TEST_RUNS: how often; the everyday loop takes few.
  const char* asked = std::getenv("LEMORE_TEST_RUNS");
  const int runs = (asked != nullptr ? std::atoi(asked) : 300) / 2 * 2;  // ends with the size it was measured at
  REQUIRE(runs >= 100);
  constexpr std::ptrdiff_t k_heap_growth = 4096;  // malloc lends blocks that are a little too large
  constexpr std::size_t k_resident_growth = std::size_t{1} << 20;
  const Model model = test::tiny_model();
  const Size sizes[] = {{32, 48}, {64, 40}};
  const test::Image images[] = {random_image(sizes[0], PixelFormat::rgb, 14),
                                random_image(sizes[1], PixelFormat::rgb, 15)};

  SessionOptions session_options;
  session_options.size = sizes[0];
  session_options.threads = 1;
  auto session = Session::create(model, session_options);
  test::require_ok(session);
  SegmenterOptions segmenter_options;
  segmenter_options.mode = Mode::native;
  segmenter_options.threads = 1;
  auto segmenter = Segmenter::create(model, segmenter_options);
  test::require_ok(segmenter);
  Labels labels[] = {Labels(sizes[0]), Labels(sizes[1])};

  std::ptrdiff_t live = 0, live_bytes = 0;
  std::size_t resident = 0;
  bool ok = true;
  for (int i = 0; i < runs; ++i) {
    const std::size_t k = static_cast<std::size_t>(i % 2);
    ok = ok && session->resize(sizes[k]).ok() && session->run(images[k].view()).ok();
    ok = ok && session->label_map({labels[k].labels.data(), sizes[k], static_cast<std::size_t>(sizes[k].width)}).ok();
    ok = ok && segment(*segmenter, images[k], labels[k]).ok();
    if (i == 49) {
      live = test::live_allocations();
      live_bytes = test::live_bytes();
      resident = resident_bytes();
    }
  }
  REQUIRE(ok);
  if (test::allocations_are_counted()) {
    CHECK(test::live_allocations() == live);
    CHECK(test::live_bytes() <= live_bytes + k_heap_growth);
    // An emulator keeps the code that it translates.
    if (!LEMORE_TEST_UNDER_EMULATOR) CHECK(resident_bytes() <= resident + k_resident_growth);
    if (asked != nullptr)
      WARN(runs << " runs: " << test::live_bytes() - live_bytes << " bytes of heap more, resident " << resident / 1024
                << " KiB, then " << resident_bytes() / 1024);
  }
}
