#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/resize_taps.h"
#include "image/protocol.h"
#include "lemore/segmenter.h"
#include "session/slide.h"
#include "support/allocations.h"
#include "support/skip.h"
#include "support/test_model.h"

using namespace lemore;
using test::random_image;

namespace {

struct Labels {
  std::vector<std::uint8_t> labels;
  std::vector<float> confidence;
};

Labels segment(Segmenter& segmenter, const ImageView& image) {
  const std::size_t h = static_cast<std::size_t>(image.size.height), w = static_cast<std::size_t>(image.size.width);
  Labels out{std::vector<std::uint8_t>(h * w, 0xEE), std::vector<float>(h * w, -1.0f)};
  std::vector<std::uint8_t> again(h * w, 0xEE);
  const ConfidenceView confidence{out.confidence.data(), image.size, w};
  const Status status = segmenter.segment(image, {out.labels.data(), image.size, w}, &confidence);
  INFO("message: " << status.message());
  REQUIRE(status.ok());
  REQUIRE(segmenter.segment(image, {again.data(), image.size, w}).ok());
  REQUIRE(out.labels == again);  // with and without confidence
  return out;
}

Segmenter make(const Model& model, Mode mode, Size stride = {0, 0}, int threads = 1) {
  SegmenterOptions options;
  options.mode = mode;
  options.stride = stride;
  options.threads = threads;
  auto segmenter = Segmenter::create(model, options);
  INFO("message: " << segmenter.status().message());
  REQUIRE(segmenter.ok());
  return std::move(*segmenter);
}

// Oracle of a bilinear resize with half-pixel centres, channels last, in double.
std::vector<double> enlarge(const std::vector<double>& x, std::size_t h, std::size_t w, std::size_t c,
                            std::size_t out_h, std::size_t out_w) {
  const auto at = [](std::size_t i, std::size_t src, std::size_t dst) {
    return std::min(
        std::max((static_cast<double>(i) + 0.5) * static_cast<double>(src) / static_cast<double>(dst) - 0.5, 0.0),
        static_cast<double>(src - 1));
  };
  std::vector<double> y(out_h * out_w * c);
  for (std::size_t i = 0; i < out_h; ++i)
    for (std::size_t j = 0; j < out_w; ++j) {
      const double sy = at(i, h, out_h), sx = at(j, w, out_w);
      const std::size_t y0 = static_cast<std::size_t>(sy), x0 = static_cast<std::size_t>(sx);
      const std::size_t y1 = std::min(y0 + 1, h - 1), x1 = std::min(x0 + 1, w - 1);
      const double ty = sy - static_cast<double>(y0), tx = sx - static_cast<double>(x0);
      for (std::size_t k = 0; k < c; ++k)
        y[(i * out_w + j) * c + k] = (1 - ty) * ((1 - tx) * x[(y0 * w + x0) * c + k] + tx * x[(y0 * w + x1) * c + k]) +
                                     ty * ((1 - tx) * x[(y1 * w + x0) * c + k] + tx * x[(y1 * w + x1) * c + k]);
    }
  return y;
}

// The logits of a session's last run, in double.
std::vector<double> logits_of(const Session& session) {
  const TensorView v = session.logits();
  return {v.f32(), v.f32() + v.shape.elements()};
}

// Every label is the best class of the oracle's logits, but for ties within `margin` of their largest value; confidence
// is the softmax there.
void require_labels(const Labels& got, const std::vector<double>& logits, std::size_t classes) {
  const double largest = std::abs(
      *std::max_element(logits.begin(), logits.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
  const double margin = 1e-5 * largest;
  for (std::size_t i = 0; i < got.labels.size(); ++i) {
    const double* row = logits.data() + i * classes;
    const double best = *std::max_element(row, row + classes);
    INFO("pixel " << i << " label " << int(got.labels[i]));
    REQUIRE(got.labels[i] < classes);
    REQUIRE(row[got.labels[i]] >= best - margin);
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += std::exp(row[k] - best);
    REQUIRE(static_cast<double>(got.confidence[i]) == Approx(1 / sum).margin(1e-5 * std::max(1.0, largest)));
  }
}

/// Logits of the session's windows over an image, enlarged to the window, summed and divided by their number, in double.
std::vector<double> mean_of_windows(Session& session, const ImageView& image, Size stride) {
  const Size window = session.size();
  const std::size_t h = static_cast<std::size_t>(image.size.height), w = static_cast<std::size_t>(image.size.width);
  const std::size_t wh = static_cast<std::size_t>(window.height), ww = static_cast<std::size_t>(window.width);
  const std::size_t classes = session.model().classes().size();
  std::vector<double> sum(h * w * classes), count(h * w);
  for (const int top : detail::window_starts(image.size.height, window.height, stride.height))
    for (const int left : detail::window_starts(image.size.width, window.width, stride.width)) {
      REQUIRE(session.run_window(image, top, left).ok());
      const TensorView v = session.logits();
      const auto large = enlarge(logits_of(session), v.shape[1], v.shape[2], classes, wh, ww);
      for (std::size_t y = 0; y < wh; ++y)
        for (std::size_t x = 0; x < ww; ++x) {
          const std::size_t at = (static_cast<std::size_t>(top) + y) * w + static_cast<std::size_t>(left) + x;
          count[at] += 1;
          for (std::size_t k = 0; k < classes; ++k) sum[at * classes + k] += large[(y * ww + x) * classes + k];
        }
    }
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i / classes];
  return sum;
}

}  // namespace

TEST_CASE("whole mode is a session's run and label map", "[segmenter]") {
  const Model model = test::tiny_model();
  auto segmenter = make(model, Mode::whole);
  for (const Size size : {Size{64, 96}, Size{1, 1}, Size{200, 31}, Size{17, 300}}) {
    const auto image = random_image(size, PixelFormat::rgb, 1);
    const auto got = segment(segmenter, image.view());
    const TensorView v = segmenter.session().logits();
    require_labels(got,
                   enlarge(logits_of(segmenter.session()), v.shape[1], v.shape[2], v.shape[3],
                           static_cast<std::size_t>(size.height), static_cast<std::size_t>(size.width)),
                   v.shape[3]);
    REQUIRE(segmenter.last_times().network > 0);
  }
}

TEST_CASE("two_step resizes to the network's input first", "[segmenter]") {
  auto writer = test::weight_file();
  std::string& text = *writer.find_metadata("preprocessing");
  text.replace(text.find("direct"), 6, "two_step");
  const Model model = test::model_of(writer);
  REQUIRE(model.preprocessing().label_map == LabelMapRule::two_step);
  for (const int threads : {1, 3}) {
    auto segmenter = make(model, Mode::whole, {0, 0}, threads);
    for (const Size size : {Size{64, 96}, Size{150, 301}, Size{20, 33}, Size{64, 200}}) {
      const auto image = random_image(size, PixelFormat::rgb, 2);
      const auto got = segment(segmenter, image.view());
      const TensorView v = segmenter.session().logits();
      const auto between = enlarge(logits_of(segmenter.session()), v.shape[1], v.shape[2], v.shape[3], 64, 96);
      require_labels(got,
                     enlarge(between, 64, 96, v.shape[3], static_cast<std::size_t>(size.height),
                             static_cast<std::size_t>(size.width)),
                     v.shape[3]);
    }
  }
}

TEST_CASE("native mode runs at the image's own size", "[segmenter]") {
  const Model model = test::tiny_model();
  auto native = make(model, Mode::native);
  for (const Size size : {Size{64, 96}, Size{33, 47}, Size{100, 70}, Size{64, 96}}) {
    const auto image = random_image(size, PixelFormat::rgb, 3);
    const auto got = segment(native, image.view());
    REQUIRE(native.session().size() == size);
    SessionOptions options;
    options.size = size;
    options.threads = 1;
    auto session = Session::create(model, options);
    REQUIRE(session.ok());
    REQUIRE(session->run(image.view()).ok());
    std::vector<std::uint8_t> expected(got.labels.size());
    REQUIRE(session->label_map({expected.data(), size, static_cast<std::size_t>(size.width)}).ok());
    REQUIRE(got.labels == expected);
  }
  const auto small = random_image({31, 64}, PixelFormat::rgb, 3);
  std::vector<std::uint8_t> labels(31 * 64);
  REQUIRE(native.segment(small.view(), {labels.data(), {31, 64}, 64}).code() == StatusCode::invalid_shape);
}

TEST_CASE("window starts are MMSegmentation's", "[segmenter]") {
  using detail::window_starts;
  REQUIRE(window_starts(100, 100, 60) == std::vector<int>{0});
  REQUIRE(window_starts(101, 100, 60) == std::vector<int>{0, 1});
  REQUIRE(window_starts(160, 100, 60) == std::vector<int>{0, 60});
  REQUIRE(window_starts(161, 100, 60) == std::vector<int>{0, 60, 61});
  REQUIRE(window_starts(50, 50, 60) == std::vector<int>{0});
}

TEST_CASE("slide mode sums the windows' enlarged logits and divides by their count", "[segmenter]") {
  const Model model = test::tiny_model();
  struct Case {
    Size image, stride;
  };
  // Narrow and wide strips, one window, strides that leave no overlap, images smaller than the window in one direction
  // or both.
  for (const Case& c :
       {Case{{64, 96}, {0, 0}}, Case{{150, 230}, {43, 64}}, Case{{130, 1000}, {64, 96}}, Case{{100, 700}, {20, 50}},
        Case{{200, 40}, {30, 30}}, Case{{40, 300}, {64, 11}}, Case{{33, 35}, {1, 1}}, Case{{65, 97}, {5, 7}}})
    for (const int threads : {1, 2}) {
      INFO("image " << c.image.height << "x" << c.image.width << " stride " << c.stride.height << "x"
                    << c.stride.width);
      const auto image = random_image(c.image, PixelFormat::rgb, 4);
      auto segmenter = make(model, Mode::slide, c.stride, threads);
      const auto got = segment(segmenter, image.view());

      const Size window{std::min(64, c.image.height), std::min(96, c.image.width)};
      const Size stride = c.stride == Size{0, 0} ? Size{43, 64} : c.stride;
      SessionOptions options;
      options.size = window;
      auto session = Session::create(model, options);
      REQUIRE(session.ok());
      const std::size_t classes = model.classes().size();
      const auto sum = mean_of_windows(*session, image.view(), stride);
      require_labels(got, sum, classes);
    }
}

TEST_CASE("windows over a resized image: their averages are resized to the image's size", "[segmenter]") {
  struct Case {
    const char* fields;
    Size image, resized, stride;
  };
  // Made larger and smaller; bands of eight windows and less than one; smaller than a window in one direction; windows
  // that end where others begin.
  for (const Case& c : {
           Case{R"("opencv","size_rule":"fit","fit":[200,120])", {50, 70}, {120, 168}, {32, 48}},
           Case{R"("opencv","size_rule":"fit","fit":[160,100])", {300, 431}, {100, 144}, {43, 64}},
           Case{R"("opencv","size_rule":"fit","fit":[1000,64],"divisor":8)", {40, 1100}, {40, 1000}, {64, 48}},
           Case{R"("pillow","size_rule":"native","divisor":32)", {129, 230}, {160, 256}, {32, 96}},
       }) {
    INFO(c.fields << " image " << c.image.height << "x" << c.image.width);
    auto writer = test::weight_file(
        R"({"input_size": [64, 96], "num_classes": 3, "backbone": {"channels": [4, 4, 8, 8], "depths": [1, 1, 1, 1],)"
        R"( "heads": [1, 2, 2, 4], "mlp_ratios": [2, 2, 2, 2]}, "head": {"channels": 6}})",
        1, "segformer");
    std::string& text = *writer.find_metadata("preprocessing");
    const std::string stride = std::to_string(c.stride.height) + "," + std::to_string(c.stride.width);
    text.replace(text.find(R"("bilinear")"), 10,
                 std::string(c.fields) + R"(,"mode":"slide","window":[64,96],"stride":[)" + stride + "]");
    const Model model = test::model_of(writer);
    REQUIRE(tested_mode(model) == Mode::slide);
    const auto image = random_image(c.image, PixelFormat::rgb, 7);

    // Each window on its own; sums, averages and the second resize in double.
    const std::size_t h = static_cast<std::size_t>(c.resized.height), w = static_cast<std::size_t>(c.resized.width);
    const Size window{std::min(64, c.resized.height), std::min(96, c.resized.width)};
    SessionOptions options;
    options.size = window;
    auto session = Session::create(model, options);
    REQUIRE(session.ok());
    image::Resizer resizer;
    const ImageView resized =
        resizer.resize(session->data().runtime, model.preprocessing().resize, image.view(), c.resized);
    const std::size_t classes = model.classes().size();
    const auto sum = mean_of_windows(*session, resized, c.stride);
    const auto expected =
        enlarge(sum, h, w, classes, static_cast<std::size_t>(c.image.height), static_cast<std::size_t>(c.image.width));
    for (const int threads : {1, 3}) {
      SegmenterOptions slide;
      slide.mode = Mode::slide;
      slide.threads = threads;
      const auto bytes = Segmenter::arena_bytes(model, slide, c.image);
      REQUIRE(bytes.ok());
      auto memory = Tensor::create(DType::u8, {*bytes});  // exactly as much as is asked for
      REQUIRE(memory.ok());
      slide.arena = memory->data();
      slide.arena_bytes = *bytes;
      auto segmenter = Segmenter::create(model, slide);
      REQUIRE(segmenter.ok());
      require_labels(segment(*segmenter, image.view()), expected, classes);
      slide.arena_bytes -= 64;
      auto short_of_memory = Segmenter::create(model, slide);
      std::vector<std::uint8_t> labels(static_cast<std::size_t>(c.image.height) *
                                       static_cast<std::size_t>(c.image.width));
      const Status status = short_of_memory.ok()
                                ? short_of_memory->segment(
                                      image.view(), {labels.data(), c.image, static_cast<std::size_t>(c.image.width)})
                                : short_of_memory.status();
      REQUIRE(status.code() == StatusCode::invalid_argument);
    }
  }
}

TEST_CASE("windows over an image that is resized in floats are refused", "[segmenter]") {
  auto writer = test::weight_file(R"({"input_size": [64, 64], "num_classes": 3})");
  std::string& text = *writer.find_metadata("preprocessing");
  text.replace(text.find(R"("bilinear")"), 10, R"("bilinear","size_rule":"fit","fit":[200,120])");
  const Model model = test::model_of(writer);
  SegmenterOptions options;
  options.mode = Mode::slide;
  const auto segmenter = Segmenter::create(model, options);
  REQUIRE(segmenter.status().code() == StatusCode::unsupported);
  REQUIRE(segmenter.status().message().find("opencv or pillow") != std::string::npos);
}

TEST_CASE("modes have the names of one table", "[segmenter]") {
  int index = 0;
  for (const ModeInfo& info : k_modes) {
    REQUIRE(static_cast<int>(info.mode) == index++);
    REQUIRE(mode_name(info.mode) == std::string(info.name));
  }
  REQUIRE(Mode::keep == Mode::native);
  REQUIRE(std::string(mode_name(Mode::keep)) == "native");
}

TEST_CASE("slide mode's memory does not grow with the image", "[segmenter]") {
  if (!test::allocations_are_counted()) {
    return test::skip("allocations are not counted in this build (sanitizers)");
  }
  const Model model = test::tiny_model();
  auto segmenter = make(model, Mode::slide);
  const auto small = random_image({400, 1200}, PixelFormat::rgb, 5);
  segment(segmenter, small.view());
  const auto large = random_image({900, 2600}, PixelFormat::rgb, 5);
  std::vector<std::uint8_t> labels(900 * 2600);
  const std::size_t before = test::allocated_bytes();
  REQUIRE(segmenter.segment(large.view(), {labels.data(), {900, 2600}, 2600}).ok());
  REQUIRE(test::allocated_bytes() - before < 64 * 1024);  // the lists of window starts
}

TEST_CASE("what does not fit together is refused", "[segmenter]") {
  const Model model = test::tiny_model();
  SegmenterOptions options;
  options.mode = Mode::slide;
  options.stride = {65, 10};
  REQUIRE(Segmenter::create(model, options).status().code() == StatusCode::invalid_argument);
  options.stride = {0, 10};
  REQUIRE(Segmenter::create(model, options).status().code() == StatusCode::invalid_argument);
  auto segmenter = make(model, Mode::whole);
  const auto image = random_image({40, 50}, PixelFormat::rgb, 6);
  std::vector<std::uint8_t> labels(40 * 50);
  REQUIRE(segmenter.segment(image.view(), {labels.data(), {50, 40}, 40}).code() == StatusCode::invalid_argument);
  REQUIRE(segmenter.segment({}, {labels.data(), {40, 50}, 50}).code() == StatusCode::invalid_argument);
}
