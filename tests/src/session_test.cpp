#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

#include "lemore/segmenter.h"
#include "support/allocations.h"
#include "support/skip.h"
#include "support/test_model.h"

using namespace lemore;
using test::random_image;
using test::tiny_model;

namespace {

// Logits of a run on `image`, copied.
std::vector<float> logits_of(Session& session, const ImageView& image) {
  REQUIRE(session.run(image).ok());
  const TensorView out = session.logits();
  return {out.f32(), out.f32() + out.shape.elements()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A pool that runs its tasks last to first, on the calling thread.
void run_backwards(void*, int tasks, ParallelFor::Body body, void* context) {
  for (int i = tasks; i-- > 0;) body(context, i);
}

}  // namespace

TEST_CASE("layers computed together give the bits of layers computed one after the other", "[session]") {
  const Model model = tiny_model(
      R"({"input_size": [256, 256], "num_classes": 19, "stem_channels": 12, "stages": [{"channels": 8},)"
      R"( {"channels": 20, "down": {"expansion": 8, "kernel": 5},)"
      R"( "blocks": [{"expansion": 8, "kernel": 5}, {"expansion": 8, "kernel": 3}]}],)"
      R"( "nested": {"layers": 1, "key_dim": 4, "value_dim": 6}, "fusion_channels": 28, "fusion_stride": 4})");
  // Large enough for strips; odd; wide enough for tiles of columns; with few rows for each of the threads.
  for (const Size size : {Size{256, 320}, Size{201, 333}, Size{64, 2040}, Size{520, 70}}) {
    const auto image = random_image({90, 120}, PixelFormat::rgb, 5);
    std::vector<float> expected;
    std::size_t unfused_bytes = 0;
    for (const bool fuse : {false, true}) {
      for (const int threads : {1, 2, 5}) {
        SessionOptions options;
        options.size = size;
        options.threads = threads;
        options.fuse = fuse;
        auto session = Session::create(model, options);
        REQUIRE(session.ok());
        const auto& steps = session->steps();
        REQUIRE(fuse ==
                std::any_of(steps.begin(), steps.end(), [](const StepInfo& s) { return s.op == "fusion_head"; }));
        REQUIRE(fuse ==
                std::any_of(steps.begin(), steps.end(), [](const StepInfo& s) { return s.op == "inverted_residual"; }));
        if (size.height >= 256 && threads <= 2)
          REQUIRE(fuse ==
                  std::any_of(steps.begin(), steps.end(), [](const StepInfo& s) { return s.op == "cartesian"; }));
        if (!fuse && threads == 1) unfused_bytes = session->arena_bytes();
        if (fuse && threads == 1) CHECK(session->arena_bytes() < unfused_bytes);
        auto logits = logits_of(*session, image.view());
        if (expected.empty()) expected = logits;
        INFO(size.height << "x" << size.width << " fuse " << fuse << " threads " << threads);
        REQUIRE(same_bits(logits, expected));
      }
    }
  }
}

TEST_CASE("a SegFormer's layers computed together give the bits of layers computed one after the other",
          "[session][every_isa]") {
  const auto config = [](const char* head) {
    return std::string(R"({"input_size": [256, 320], "num_classes": 19, "backbone": {"type": "mit",)"
                       R"( "channels": [16, 20, 24, 24], "depths": [1, 1, 1, 1], "heads": [1, 2, 3, 2]},)"
                       R"( "head": {"type": "segformer", )") +
           head + "}}";
  };
  struct Case {
    const char* head;
    std::vector<Size> sizes;
  };
  const std::vector<Size> odd{{256, 320}, {201, 333}, {64, 1400}};
  // 40 channels: a tile spans a row; 700: a row has several tiles, the last one smaller.
  for (const Case& item :
       {Case{R"("channels": 40, "projection": "linear")", odd},
        Case{R"("channels": 40, "projection": "conv_bn_relu", "classifier": "offset_learning")", odd},
        Case{R"("channels": 700, "projection": "conv_bn_relu")", {{128, 408}}}}) {
    const Model model = test::model_of(test::weight_file(config(item.head), 3, "segformer"));
    const auto image = random_image({90, 120}, PixelFormat::rgb, 5);
    for (const Size size : item.sizes) {
      std::vector<float> expected;
      for (const bool fuse : {false, true}) {
        for (const int threads : {1, 3}) {
          SessionOptions options;
          options.size = size;
          options.threads = threads;
          options.fuse = fuse;
          auto session = Session::create(model, options);
          REQUIRE(session.ok());
          const auto& steps = session->steps();
          for (const char* op : {"resized_sum", "inverted_residual"})
            REQUIRE(fuse == std::any_of(steps.begin(), steps.end(), [&](const StepInfo& s) { return s.op == op; }));
          auto logits = logits_of(*session, image.view());
          if (expected.empty()) expected = logits;
          INFO(item.head << ", " << size.height << "x" << size.width << " fuse " << fuse << " threads " << threads);
          REQUIRE(std::all_of(logits.begin(), logits.end(), [](float v) { return std::isfinite(v); }));
          REQUIRE(same_bits(logits, expected));
        }
      }
    }
  }
}

TEST_CASE("the same bits for any number of threads", "[session]") {
  const Model model = tiny_model();
  for (const Size size : {Size{64, 96}, Size{61, 83}, Size{32, 32}}) {
    const auto image = random_image({70, 50}, PixelFormat::rgb, 3);
    std::vector<float> expected;
    for (const int threads : {1, 2, 3, 8}) {
      SessionOptions options;
      options.size = size;
      options.threads = threads;
      auto session = Session::create(model, options);
      REQUIRE(session.ok());
      auto logits = logits_of(*session, image.view());
      if (threads == 1) expected = logits;
      INFO("threads " << threads);
      REQUIRE(same_bits(logits, expected));
    }
    SessionOptions options;
    options.size = size;
    for (const ParallelFor& pool : {ParallelFor{run_backwards, nullptr, 5}, openmp_parallel_for(3)}) {
      options.parallel_for = pool;
      auto session = Session::create(model, options);
      REQUIRE(session.ok());
      REQUIRE(session->threads() == pool.workers);
      REQUIRE(same_bits(logits_of(*session, image.view()), expected));
    }
  }
}

TEST_CASE("run and label_map allocate nothing", "[session]") {
  if (!test::allocations_are_counted()) {
    return test::skip("allocations are not counted in this build (sanitizers)");
  }
  const Model model = tiny_model();
  const auto image = random_image({90, 130}, PixelFormat::rgb, 1);
  std::vector<std::uint8_t> labels(90 * 130);
  std::vector<float> confidence(90 * 130);
  const LabelView label_view{labels.data(), {90, 130}, 130};
  const ConfidenceView confidence_view{confidence.data(), {90, 130}, 130};
  std::vector<SessionOptions> all(3);
  all[0].threads = 1;
  all[1].threads = 2;
  all[2].parallel_for = openmp_parallel_for(2);
#if defined(__clang__)
  all.pop_back();  // LLVM's OpenMP runtime allocates a little in each parallel region; GNU's does not
#endif
  for (const SessionOptions& options : all) {
    auto session = Session::create(model, options);
    REQUIRE(session.ok());
    REQUIRE(session->reserve_labels({90, 130}).ok());
    REQUIRE(session->run(image.view()).ok());  // OpenMP makes its pool in the first run
    const std::size_t before = test::allocations();
    bool ok = true;
    for (int i = 0; i < 3; ++i) {
      ok = ok && session->run(image.view()).ok();
      ok = ok && session->label_map(label_view).ok();
      ok = ok && session->label_map(label_view, &confidence_view).ok();
    }
    const std::size_t after = test::allocations();
    REQUIRE(ok);
    REQUIRE(after == before);
  }
  const std::size_t before = test::allocations();
  int* volatile p = new int(1);
  delete p;
  REQUIRE(test::allocations() > before);  // the counter counts
}

TEST_CASE("the arena's size is known before, and exact", "[session]") {
  const Model model = tiny_model();
  const auto image = random_image({64, 96}, PixelFormat::rgb, 2);
  for (const bool keep : {false, true})
    for (const int threads : {1, 3}) {
      SessionOptions options;
      options.keep_stages = keep;
      options.threads = threads;
      const auto bytes = Session::arena_bytes(model, options);
      REQUIRE(bytes.ok());
      auto own = Session::create(model, options);
      REQUIRE(own.ok());
      REQUIRE(own->arena_bytes() == *bytes);
      const auto expected = logits_of(*own, image.view());

      // The caller's memory, filled with NaN: nothing is read before it is written.
      std::vector<float> memory(*bytes / sizeof(float) + 2 * k_alignment, std::nanf(""));
      const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(memory.data()) % k_alignment;
      float* aligned = memory.data() + (misaligned == 0 ? 0 : (k_alignment - misaligned) / sizeof(float));
      options.arena = aligned;
      options.arena_bytes = *bytes;
      auto given = Session::create(model, options);
      REQUIRE(given.ok());
      REQUIRE(same_bits(logits_of(*given, image.view()), expected));
      for (float* p = aligned + *bytes / sizeof(float); p < memory.data() + memory.size(); ++p) REQUIRE(std::isnan(*p));

      options.arena_bytes = *bytes - 1;
      const auto small = Session::create(model, options);
      REQUIRE(small.status().code() == StatusCode::invalid_argument);
      REQUIRE(small.status().message().find(std::to_string(*bytes)) != std::string::npos);
      options.arena = aligned + 1;
      options.arena_bytes = *bytes;
      REQUIRE(Session::create(model, options).status().code() == StatusCode::invalid_argument);
    }
}

TEST_CASE("sizes change, memory does not grow, results do not depend on what was before", "[session]") {
  const Model model = tiny_model();
  const auto image = random_image({80, 80}, PixelFormat::rgb, 4);
  auto session = Session::create(model, {});
  REQUIRE(session.ok());
  const auto first = logits_of(*session, image.view());
  std::vector<float> other;
  for (int i = 0; i < 4; ++i) {
    REQUIRE(session->resize({45, 100}).ok());
    const auto logits = logits_of(*session, image.view());
    if (i == 0) other = logits;
    REQUIRE(same_bits(logits, other));
    REQUIRE(session->resize(model.input_size()).ok());
    REQUIRE(same_bits(logits_of(*session, image.view()), first));
  }
  REQUIRE(session->resize({31, 64}).code() == StatusCode::invalid_shape);
  REQUIRE(session->resize({64, 16385}).code() == StatusCode::invalid_shape);
  REQUIRE(session->size() == model.input_size());
  REQUIRE(same_bits(logits_of(*session, image.view()), first));
}

TEST_CASE("pixel formats and row strides read the same pixels", "[session]") {
  const Model model = tiny_model();
  auto session = Session::create(model, {});
  REQUIRE(session.ok());
  const Size size{50, 70};
  const auto rgb = random_image(size, PixelFormat::rgb, 5);
  const auto expected = logits_of(*session, rgb.view());
  for (const PixelFormat format : {PixelFormat::bgr, PixelFormat::rgba, PixelFormat::bgra}) {
    const auto other = test::convert(rgb, format, 13);
    REQUIRE(same_bits(logits_of(*session, other.view()), expected));
  }
  const auto gray = random_image(size, PixelFormat::gray, 6);
  const auto from_gray = logits_of(*session, gray.view());
  REQUIRE(same_bits(logits_of(*session, test::convert(gray, PixelFormat::rgb, 0).view()), from_gray));
  REQUIRE(same_bits(logits_of(*session, test::convert(gray, PixelFormat::gray_alpha, 3).view()), from_gray));
}

TEST_CASE("a float tensor is taken as it is", "[session]") {
  const Model model = tiny_model();
  auto session = Session::create(model, {});
  REQUIRE(session.ok());
  const Size size = session->size();
  const auto image = random_image(size, PixelFormat::rgb, 7);
  const auto expected = logits_of(*session, image.view());
  const std::size_t h = static_cast<std::size_t>(size.height), w = static_cast<std::size_t>(size.width);
  std::vector<float> nchw(3 * h * w);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < h * w; ++i)
      nchw[c * h * w + i] =
          (static_cast<float>(image.bytes[3 * i + c]) - model.preprocessing().mean[c]) / model.preprocessing().std[c];
  REQUIRE(session->run(TensorView(nchw.data(), DType::f32, {1, 3, h, w}, Layout::nchw)).ok());
  const TensorView out = session->logits();
  for (std::size_t i = 0; i < expected.size(); ++i) REQUIRE(out.f32()[i] == Approx(expected[i]).margin(1e-3));

  REQUIRE(session->run(TensorView(nchw.data(), DType::f32, {1, 3, w, h + 1})).code() == StatusCode::invalid_shape);
  REQUIRE(session->run(TensorView(nchw.data(), DType::u8, {1, 3, h, w})).code() == StatusCode::invalid_shape);
}

TEST_CASE("what is wrong is said, nothing is run", "[session]") {
  const Model model = tiny_model();
  auto session = Session::create(model, {});
  REQUIRE(session.ok());
  std::vector<std::uint8_t> labels(64);
  REQUIRE(session->label_map({labels.data(), {8, 8}, 8}).code() == StatusCode::invalid_argument);  // before a run
  auto image = random_image({40, 40}, PixelFormat::rgb, 8);
  REQUIRE(session->run(ImageView{nullptr, {40, 40}, 120, PixelFormat::rgb}).code() == StatusCode::invalid_argument);
  REQUIRE(session->run(ImageView{image.bytes.data(), {0, 40}, 120, PixelFormat::rgb}).code() ==
          StatusCode::invalid_argument);
  REQUIRE(session->run(ImageView{image.bytes.data(), {40, 40}, 119, PixelFormat::rgb}).code() ==
          StatusCode::invalid_argument);
  REQUIRE(session->run_window(image.view(), 0, 0).code() == StatusCode::invalid_argument);  // smaller than the window
  REQUIRE(session->run(image.view()).ok());
  REQUIRE(session->label_map({labels.data(), {8, 8}, 7}).code() == StatusCode::invalid_argument);
  REQUIRE(session->label_map({nullptr, {8, 8}, 8}).code() == StatusCode::invalid_argument);
  REQUIRE(session->label_map({labels.data(), {8, 8}, 8}).ok());
  REQUIRE(session->stage("stem").status().code() == StatusCode::not_found);
  REQUIRE(session->stage("output").ok());

  SessionOptions options;
  options.threads = -1;
  REQUIRE(Session::create(model, options).status().code() == StatusCode::invalid_argument);
  options = {};
  options.parallel_for = ParallelFor{nullptr, nullptr, 1};
  REQUIRE(Session::create(model, options).status().code() == StatusCode::invalid_argument);
}

TEST_CASE("one model serves many threads and sizes", "[session]") {
  const Model model = tiny_model();
  const auto image = random_image({75, 66}, PixelFormat::rgb, 9);
  std::vector<std::vector<float>> expected;
  const std::vector<Size> sizes{{64, 96}, {48, 64}, {33, 47}, {64, 64}, {32, 32}, {96, 40}, {51, 120}, {80, 80}};
  for (const Size size : sizes) {
    SessionOptions options;
    options.size = size;
    options.threads = 1;
    auto session = Session::create(model, options);
    REQUIRE(session.ok());
    expected.push_back(logits_of(*session, image.view()));
  }
  std::vector<int> wrong(sizes.size(), 0);  // eight threads, each with a size of its own
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      SessionOptions options;
      options.size = sizes[t];
      options.threads = 1;
      auto session = Session::create(model, options);
      for (int i = 0; session.ok() && i < 5; ++i) {
        const bool ok = session->run(image.view()).ok();
        const TensorView out = session->logits();
        const auto& e = expected[t];
        if (!ok || std::memcmp(out.f32(), e.data(), e.size() * sizeof(float)) != 0) ++wrong[t];
      }
      if (!session.ok()) ++wrong[t];
    });
  for (auto& t : threads) t.join();
  for (const int n : wrong) REQUIRE(n == 0);
}

TEST_CASE("profiling times every step, names and MACs are there", "[session]") {
  const Model model = tiny_model();
  auto session = Session::create(model, {});
  REQUIRE(session.ok());
  session->set_profiling(true);
  REQUIRE(session->run(random_image({64, 64}, PixelFormat::rgb, 1).view()).ok());
  REQUIRE(session->last_times().size() == session->steps().size());
  std::uint64_t macs = 0;
  for (std::size_t i = 0; i < session->steps().size(); ++i) {
    const StepInfo& step = session->steps()[i];
    REQUIRE_FALSE(step.name.empty());
    REQUIRE_FALSE(step.op.empty());
    REQUIRE(session->last_times()[i].name == step.name);
    if (step.counted) macs += step.macs;
  }
  REQUIRE(macs == *model.macs(session->size()));
}
