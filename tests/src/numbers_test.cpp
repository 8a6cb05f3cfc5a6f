#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "lemore/session.h"
#include "reference/label_map.h"
#include "reference/resize.h"
#include "support/kernel_test.h"
#include "support/status_checks.h"
#include "support/test_model.h"
#include "weights/safetensors.h"

// Results for NaN, infinities and denormals, on each ISA, and with other sessions running.

namespace lemore::test {
namespace {

const char* const k_segmenters[] = {"plain", "rect", "odd-channel", "resampled", "three-stages"};

Size size_of(const TensorView& nchw) { return {static_cast<int>(nchw.shape[2]), static_cast<int>(nchw.shape[3])}; }

struct Recorded {
  explicit Recorded(const std::string& name)
      : model(Model::load(path(name, "model"))), dump(Safetensors::open(path(name, "dump"))) {
    require_ok(model);
    require_ok(dump);
    REQUIRE(dump->find("input") != nullptr);
    const TensorView& in = *dump->find("input");
    shape = in.shape;
    size = size_of(in);
    values.assign(in.f32(), in.f32() + in.shape.elements());
  }
  static std::string path(const std::string& name, const char* kind) {
    return std::string(LEMORE_SOURCE_DIR) + "/tests/golden/" + name + "." + kind + ".safetensors";
  }

  Result<Model> model;
  Result<Safetensors> dump;
  Shape shape;
  Size size;
  std::vector<float> values;  ///< of the recorded input
};

/// What a session says to an input, its label map at twice the input's size.
struct Answer {
  std::vector<float> logits;
  std::vector<std::uint8_t> labels;  ///< without confidence
  std::vector<std::uint8_t> labels_with;
  std::vector<float> confidence;
  double tolerance = 0;  ///< isa_tolerance of the session
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void ask_labels(Session& session, Size size, Answer& a) {
  const std::size_t w = static_cast<std::size_t>(size.width), n = static_cast<std::size_t>(size.height) * w;
  a.labels.assign(n, 0xEE);
  a.labels_with.assign(n, 0xEE);
  a.confidence.assign(n, -1.0f);
  const ConfidenceView confidence{a.confidence.data(), size, w};
  require_ok(session.label_map({a.labels.data(), size, w}));
  require_ok(session.label_map({a.labels_with.data(), size, w}, &confidence));
}

Session session_for(const Model& model, Size size, Isa isa, int threads = 1, bool keep_stages = false) {
  SessionOptions options;
  options.size = size;
  options.isa = isa;
  options.threads = threads;
  options.keep_stages = keep_stages;
  auto session = Session::create(model, options);
  require_ok(session);
  return std::move(*session);
}

// Roundings behind a logit: the products of each layer's sums. Layers beside each other are counted as if one followed
// the other, attention's products are, too.
double roundings(const Session& session) {
  double n = 0;
  for (const StepInfo& step : session.steps())
    n += static_cast<double>(step.macs) / static_cast<double>(std::max<std::size_t>(step.output.elements(), 1));
  return n;
}

/// How far the logits of two ISAs may lie apart, relative to the largest. They round the same sums differently: N
/// roundings each, every one off by up to k_eps of the values there, uniformly and independently, so by
/// sqrt(2 N / 3) k_eps as a standard deviation; k_deviations of them. The networks carry an error on without growing
/// it.
constexpr double k_deviations = 6;
double isa_tolerance(const Session& session) { return k_deviations * std::sqrt(2 * roundings(session) / 3) * k_eps; }

Answer ask(const Model& model, const std::vector<float>& nchw, const Shape& shape, Isa isa, int threads = 1) {
  const TensorView input(nchw.data(), DType::f32, shape, Layout::nchw);
  Session session = session_for(model, size_of(input), isa, threads);
  require_ok(session.run(input));
  Answer a;
  a.logits.assign(session.logits().f32(), session.logits().f32() + session.logits().shape.elements());
  a.tolerance = isa_tolerance(session);
  ask_labels(session, {2 * session.size().height, 2 * session.size().width}, a);
  return a;
}

double largest_of(const std::vector<float>& x) {
  double largest = 0;
  for (const float v : x)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

enum class Kind { number, nan, plus_infinity, minus_infinity };
Kind kind_of(float x) {
  return std::isnan(x) ? Kind::nan : !std::isinf(x) ? Kind::number : x > 0 ? Kind::plus_infinity : Kind::minus_infinity;
}

struct Change {
  const char* name;
  bool gives_numbers;
  std::function<void(std::vector<float>&)> apply;
};

void all(std::vector<float>& x, float value) { std::fill(x.begin(), x.end(), value); }

}  // namespace

TEST_CASE("NaN, infinities and huge values in a tensor give defined labels, the same on every ISA",
          "[numbers][every_isa]") {
  const Change changes[] = {
      {"one NaN", false, [](auto& x) { x[x.size() / 2] = k_nan; }},
      {"one infinity", true, [](auto& x) { x[x.size() / 2] = k_infinity; }},
      {"one negative infinity", true, [](auto& x) { x[x.size() / 2] = -k_infinity; }},
      {"both infinities", false, [](auto& x) { x[x.size() / 2] = k_infinity, x[x.size() / 2 + 1] = -k_infinity; }},
      {"all NaN", false, [](auto& x) { all(x, k_nan); }},
      {"all infinity", false, [](auto& x) { all(x, k_infinity); }},
      {"huge", true, [](auto& x) { std::transform(x.begin(), x.end(), x.begin(), [](float v) { return v * 1e37f; }); }},
  };
  for (const char* name : {"plain", "rect"}) {
    const Recorded recorded(name);
    const std::size_t classes = recorded.model->classes().size();
    for (const Change& change : changes) {
      std::vector<float> x = recorded.values;
      change.apply(x);
      Answer first;
      for (const Isa isa : supported_isas()) {
        INFO(name << ", " << change.name << ", " << isa_name(isa));
        const Answer a = ask(*recorded.model, x, recorded.shape, isa);
        if (first.logits.empty()) first = a;
        const bool numbers = std::all_of(a.logits.begin(), a.logits.end(), [](float v) { return std::isfinite(v); });
        const bool none = std::all_of(a.logits.begin(), a.logits.end(), [](float v) { return std::isnan(v); });
        REQUIRE(numbers != none);  // attention sees the whole image
        REQUIRE(numbers == change.gives_numbers);
        bool defined = true, same_kind = true;
        for (std::size_t i = 0; i < a.labels.size(); ++i) {
          defined = defined && a.labels[i] < classes && a.labels_with[i] < classes;
          if (none) defined = defined && a.labels[i] == 0 && a.labels_with[i] == 0 && a.confidence[i] == 0.0f;
          if (numbers) defined = defined && a.confidence[i] > 0.0f && a.confidence[i] <= 1.0f;
        }
        for (std::size_t i = 0; i < a.logits.size(); ++i)
          same_kind = same_kind && kind_of(a.logits[i]) == kind_of(first.logits[i]);
        CHECK(defined);
        CHECK(same_kind);
        if (none) CHECK(a.labels == first.labels);
        const Answer threaded = ask(*recorded.model, x, recorded.shape, isa, 3);
        if (numbers) CHECK(same_bits(threaded.logits, a.logits));
        CHECK(threaded.labels == a.labels);
        CHECK(same_bits(threaded.confidence, a.confidence));
      }
    }
  }
}

TEST_CASE("logits that are NaN or infinite give the label that is documented", "[numbers][every_isa]") {
  const Recorded recorded("plain");
  // Planted as the output of a run.
  struct Plant {
    std::vector<float> logits;
    static void observe(void* context, std::string_view name, const Shape& shape, float* elements) {
      const auto& p = *static_cast<const Plant*>(context);
      if (name != "output") return;
      REQUIRE(p.logits.size() == shape.elements());
      std::copy(p.logits.begin(), p.logits.end(), elements);
    }
  } plant;
  const std::size_t classes = recorded.model->classes().size();
  const TensorView input(recorded.values.data(), DType::f32, recorded.shape, Layout::nchw);
  for (int seed = 0; seed < 6; ++seed) {
    for (const Isa isa : supported_isas()) {
      INFO(isa_name(isa) << ", seed " << seed);
      Session session = session_for(*recorded.model, recorded.size, isa, 2, true);
      const Shape shape = session.logits().shape;
      Random random(static_cast<std::uint64_t>(100 + seed));
      plant.logits.resize(shape.elements());
      for (float& v : plant.logits) {
        const std::size_t pick = random.below(seed < 3 ? 12 : 4);
        // Values that two ways of rounding don't confuse.
        v = pick == 0 ? k_nan : pick == 1 ? -k_infinity : pick == 2 ? k_infinity : static_cast<float>(random.below(64));
      }
      if (seed == 0) all(plant.logits, k_nan);
      if (seed == 1) all(plant.logits, -k_infinity);
      if (seed == 2) all(plant.logits, k_infinity);
      session.set_stage_observer(Plant::observe, &plant);
      require_ok(session.run(input));
      for (const Size out : {Size{7, 9}, recorded.size, Size{70, 59}}) {
        Answer a;
        ask_labels(session, out, a);
        const std::size_t h = static_cast<std::size_t>(out.height), w = static_cast<std::size_t>(out.width);
        const auto taps_y = reference::resize_taps(shape[1], h), taps_x = reference::resize_taps(shape[2], w);
        for (std::size_t i = 0; i < a.labels.size(); ++i) {
          INFO(out.height << "x" << out.width << ", pixel " << i);
          const kernels::ResizeTap ty = taps_y[i / w], tx = taps_x[i % w];
          bool any = false;  // a class with a number
          const auto value = [&](std::size_t c) -> double {
            const auto at = [&](std::size_t y, std::size_t x) {
              return plant.logits[(y * shape[2] + x) * classes + c];
            };
            const float v =
                reference::lerp_float(reference::lerp_float(at(ty.lo, tx.lo), at(ty.lo, tx.hi), tx.t),
                                      reference::lerp_float(at(ty.hi, tx.lo), at(ty.hi, tx.hi), tx.t), ty.t);
            any = any || !std::isnan(v);
            return static_cast<double>(v);
          };
          const std::size_t expected = reference::classify(classes, value).label;
          REQUIRE(std::size_t{a.labels[i]} == expected);
          REQUIRE(a.confidence[i] >= 0.0f);
          REQUIRE(a.confidence[i] <= 1.0f);
          REQUIRE((a.confidence[i] == 0.0f) == !any);
          if (!any) REQUIRE(a.labels[i] == 0);
        }
      }
    }
  }
}

TEST_CASE("denormals in a tensor are as good as zeros", "[numbers][every_isa]") {
  for (const char* name : k_segmenters) {
    const Recorded recorded(name);
    std::vector<float> tiny = recorded.values, zero(recorded.values.size(), 0.0f);
    for (float& v : tiny) v *= 1e-39f;  // below 2^-126, beside any bias nothing
    REQUIRE(std::any_of(tiny.begin(), tiny.end(), [](float v) { return std::fpclassify(v) == FP_SUBNORMAL; }));
    for (const Isa isa : supported_isas()) {
      INFO(name << ", " << isa_name(isa));
      const Answer a = ask(*recorded.model, tiny, recorded.shape, isa);
      const Answer b = ask(*recorded.model, zero, recorded.shape, isa);
      CHECK(same_bits(a.logits, b.logits));
      CHECK(a.labels == b.labels);
    }
  }
}

#if defined(__x86_64__) || defined(__aarch64__) || defined(__arm__)
namespace {

// The bits that say how this thread computes: rounding, flushing of denormals, traps. Not those that note what
// happened.
#if defined(__x86_64__)
constexpr std::uint64_t k_flush = 0x8040;  // FTZ and DAZ
std::uint64_t control() { return _mm_getcsr() & 0xffc0u; }
void set_control(std::uint64_t bits) { _mm_setcsr(static_cast<unsigned>(bits)); }
#elif defined(__aarch64__)
constexpr std::uint64_t k_flush = std::uint64_t{1} << 24;  // FZ
std::uint64_t control() {
  std::uint64_t bits;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_control(std::uint64_t bits) { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }
#else
constexpr std::uint64_t k_flush = std::uint64_t{1} << 24;  // FZ
std::uint64_t control() {
  std::uint32_t bits;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(bits));
  return bits & 0x07ff9f00u;
}
void set_control(std::uint64_t bits) { __asm__ volatile("vmsr fpscr, %0" : : "r"(static_cast<std::uint32_t>(bits))); }
#endif

}  // namespace

TEST_CASE("a run leaves the floating-point environment as it is, flushing or not", "[numbers][every_isa]") {
  const Recorded recorded("plain");
  const std::uint64_t before = control();
  for (const Isa isa : supported_isas()) {
    INFO(isa_name(isa));
    const Answer plain = ask(*recorded.model, recorded.values, recorded.shape, isa);
    const std::uint64_t kept = control();
    set_control(before | k_flush);
    const std::uint64_t flushing = control();
    const Answer flushed = ask(*recorded.model, recorded.values, recorded.shape, isa, 2);
    const std::uint64_t after = control();
    set_control(before);
    CHECK(kept == before);
    CHECK(flushing == (before | k_flush));
    CHECK(after == flushing);
    // Ordinary images have no denormals that matter.
    CHECK(flushed.labels == plain.labels);
    CHECK(same_bits(flushed.logits, plain.logits));
  }
}
#endif

TEST_CASE("ISAs differ by rounding alone", "[numbers][every_isa]") {
  const auto compare = [](const std::string& name, const Model& model, const std::vector<float>& x,
                          const Shape& shape) {
    const std::vector<Isa> isas = supported_isas();
    std::vector<Answer> answers;
    for (const Isa isa : isas) answers.push_back(ask(model, x, shape, isa));
    const Answer& a = answers.back();  // portable
    const double largest = largest_of(a.logits), apart = a.tolerance * largest;
    for (std::size_t k = 0; k + 1 < isas.size(); ++k) {
      const Answer& b = answers[k];
      double worst = 0;
      for (std::size_t i = 0; i < a.logits.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(a.logits[i]) - static_cast<double>(b.logits[i])));
      INFO(name << ": " << isa_name(isas[k]) << " and portable differ by " << worst / largest
                << " of the largest logit, " << a.tolerance << " are expected");
      CHECK(worst <= apart);
      if (std::getenv("LEMORE_TEST_REPORT") != nullptr)
        WARN(name << ": " << isa_name(isas[k]) << " and portable: " << worst / largest << " of at most "
                  << a.tolerance);
      // A label may differ where two classes lie closer than both may be off; also from the one with confidence.
      const std::size_t classes = model.classes().size();
      const std::size_t h = (shape[2] + 7) / 8, w = a.logits.size() / classes / h;
      const auto taps_y = reference::resize_taps(h, 2 * shape[2]), taps_x = reference::resize_taps(w, 2 * shape[3]);
      kernels::LabelMap oracle{};
      oracle.w = w;
      oracle.classes = classes;
      oracle.taps_y = taps_y.data();
      oracle.taps_x = taps_x.data();
      oracle.logits = a.logits.data();
      std::size_t differ = 0;
      double lead = 0;
      for (std::size_t i = 0; i < a.labels.size(); ++i) {
        if (a.labels[i] == b.labels[i] && a.labels_with[i] == b.labels_with[i] && a.labels[i] == a.labels_with[i])
          continue;
        ++differ;
        lead = std::max(lead, reference::label_at_double(oracle, i / (2 * shape[3]), i % (2 * shape[3])).lead);
      }
      INFO(differ << " of " << a.labels.size() << " labels differ, the surest by a lead of " << lead);
      CHECK(lead <= 2 * apart);
      CHECK(static_cast<double>(differ) <= 1e-3 * static_cast<double>(a.labels.size()));
    }
  };
  for (const char* name : k_segmenters) {
    const Recorded recorded(name);
    compare(name, *recorded.model, recorded.values, recorded.shape);
  }
  // Trained weights.
  const auto model = Model::load(std::string(LEMORE_SOURCE_DIR) + "/weights/lemore-camvid.safetensors");
  require_ok(model);
  const Size size{96, 128};
  const Image image = random_image(size, PixelFormat::rgb, 21);
  const std::size_t plane = 96 * 128;
  std::vector<float> x(3 * plane);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < plane; ++i)
      x[c * plane + i] =
          (static_cast<float>(image.bytes[3 * i + c]) - model->preprocessing().mean[c]) / model->preprocessing().std[c];
  compare("lemore-camvid", *model, x, {1, 3, 96, 128});
}

TEST_CASE("many sessions at once give the bits of one alone", "[session][numbers]") {
  const Model model = tiny_model();
  const Size sizes[] = {{64, 96}, {33, 47}, {80, 40}};
  const auto image = random_image({75, 66}, PixelFormat::rgb, 22);
  const auto one = [&](Size size, int threads, int runs, Answer& a) {
    SessionOptions options;
    options.size = size;
    options.threads = threads;
    auto session = Session::create(model, options);
    bool ok = session.ok();
    const std::size_t w = 66, n = 75 * w;
    for (int i = 0; ok && i < runs; ++i) {
      a.labels.assign(n, 0xEE);
      a.confidence.assign(n, -1.0f);
      const ConfidenceView confidence{a.confidence.data(), image.size, w};
      ok = session->run(image.view()).ok() && session->label_map({a.labels.data(), image.size, w}, &confidence).ok();
      const TensorView out = session->logits();
      a.logits.assign(out.f32(), out.f32() + out.shape.elements());
    }
    return ok;
  };
  std::vector<Answer> expected(std::size(sizes));
  for (std::size_t k = 0; k < expected.size(); ++k) REQUIRE(one(sizes[k], 1, 1, expected[k]));

  // Twelve at a time, of one to three threads each.
  std::vector<int> wrong(12, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const std::size_t k = t % expected.size();
      for (int round = 0; round < 3; ++round) {
        Answer a;
        const bool ok = one(sizes[k], 1 + static_cast<int>(t + static_cast<std::size_t>(round)) % 3, 2, a);
        if (!ok || !same_bits(a.logits, expected[k].logits) || a.labels != expected[k].labels ||
            !same_bits(a.confidence, expected[k].confidence))
          ++wrong[t];
      }
    });
  for (auto& t : threads) t.join();
  for (const int n : wrong) CHECK(n == 0);
}

}  // namespace lemore::test
