#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>

#include "lemore/session.h"
#include "support/status_checks.h"
#include "weights/safetensors.h"

using namespace lemore;

namespace {

// A stage computed from the reference's inputs, relative to its largest value. A stage is at most some dozens of
// float32 operations deep.
constexpr double k_stage_tolerance = 1e-5;
// From the image to the stage, with rounding carried along. The goldens are mildly conditioned
// (tools/tests/make_test_goldens.py).
constexpr double k_accumulated_tolerance = 1e-4;

const char* const k_goldens[] = {"plain",           "rect",
                                 "odd-channel",     "resampled",
                                 "three-stages",    "classifier",
                                 "segformer/mmseg", "segformer/offset",
                                 "segformer/hf",    "segformer/classifier"};

std::string golden(const std::string& name) {
  return std::string(LEMORE_SOURCE_DIR) + "/tests/golden/" + name + ".safetensors";
}

// Largest difference between channels-last `got` and the dump's [1, c, h, w] (or [1, c]), relative to its largest
// value; NaN if any is.
double relative_error(const float* got, const Shape& nhwc, const TensorView& expected) {
  const std::size_t c = nhwc[nhwc.rank() - 1], pixels = nhwc.elements() / c;
  const float* want = expected.f32();
  double worst = 0, largest = 0;
  for (std::size_t k = 0; k < c; ++k)
    for (std::size_t i = 0; i < pixels; ++i) {
      const double w = static_cast<double>(want[k * pixels + i]), g = static_cast<double>(got[i * c + k]);
      if (std::isnan(g)) return g;
      worst = std::max(worst, std::abs(g - w));
      largest = std::max(largest, std::abs(w));
    }
  return worst / largest;
}

// What the observer needs: compares each stage with the dump, then continues from the dump's values.
struct Forced {
  const Safetensors* dump;
  std::function<void(const std::string&, double)> judge;

  static void observe(void* context, std::string_view name, const Shape& nhwc, float* elements) {
    const Forced& f = *static_cast<Forced*>(context);
    const std::string key = name == "output" ? "output" : "out." + std::string(name);
    const TensorView* expected = f.dump->find(key);
    REQUIRE(expected != nullptr);
    REQUIRE(expected->shape.elements() == nhwc.elements());
    f.judge(std::string(name), relative_error(elements, nhwc, *expected));
    const std::size_t c = nhwc[nhwc.rank() - 1], pixels = nhwc.elements() / c;
    for (std::size_t k = 0; k < c; ++k)
      for (std::size_t i = 0; i < pixels; ++i) elements[i * c + k] = expected->f32()[k * pixels + i];
  }
};

// A recorded network: its weights and what PyTorch computed with them.
struct Recorded {
  explicit Recorded(const std::string& name)
      : model(Model::load(golden(name + ".model"))), dump(Safetensors::open(golden(name + ".dump"))) {
    test::require_ok(model);
    test::require_ok(dump);
    REQUIRE(dump->find("input") != nullptr);
  }
  const TensorView& input() const { return *dump->find("input"); }

  Result<Model> model;
  Result<Safetensors> dump;
};

Session session_for(const Model& model, const TensorView& input, Isa isa, int threads) {
  SessionOptions options;
  options.size = {static_cast<int>(input.shape[2]), static_cast<int>(input.shape[3])};
  options.isa = isa;
  options.threads = threads;
  options.keep_stages = true;
  auto session = Session::create(model, options);
  test::require_ok(session);
  REQUIRE(session->isa() == isa);
  return std::move(*session);
}

}  // namespace

TEST_CASE("every stage of the recorded networks, on every ISA and 1 to 3 threads", "[golden][every_isa]") {
  for (const char* name : k_goldens) {
    const Recorded recorded(name);
    const TensorView& input = recorded.input();
    for (const Isa isa : supported_isas()) {
      std::vector<float> first;
      for (const int threads : {1, 2, 3}) {
        Session session = session_for(*recorded.model, input, isa, threads);
        INFO(name << " on " << isa_name(isa) << ", " << threads << " threads");

        // Freely, from the image.
        test::require_ok(session.run(input));
        for (const std::string& stage : session.stage_names()) {
          const auto view = session.stage(stage);
          test::require_ok(view);
          const TensorView* expected = recorded.dump->find(stage == "output" ? "output" : "out." + stage);
          INFO("stage " << stage);
          REQUIRE(expected != nullptr);
          REQUIRE(relative_error(view->f32(), view->shape, *expected) <= k_accumulated_tolerance);
        }
        const TensorView out = session.logits();
        const std::vector<float> logits(out.f32(), out.f32() + out.shape.elements());
        if (threads == 1) first = logits;
        REQUIRE(std::memcmp(first.data(), logits.data(), logits.size() * sizeof(float)) == 0);

        // Each stage from the reference's inputs.
        std::size_t stages = 0;
        Forced forced{&*recorded.dump, [&](const std::string& stage, double error) {
                        INFO("stage " << stage << " error " << error);
                        REQUIRE(error <= k_stage_tolerance);
                        ++stages;
                      }};
        session.set_stage_observer(Forced::observe, &forced);
        test::require_ok(session.run(input));
        REQUIRE(stages == session.stage_names().size());
      }
    }
  }
}

TEST_CASE("the stage check can fail, and names the stage", "[golden]") {
  const Recorded recorded("plain");
  Session session = session_for(*recorded.model, recorded.input(), Isa::portable, 1);
  std::vector<std::string> wrong;
  Forced forced{&*recorded.dump, [&](const std::string& stage, double error) {
                  if (!(error <= k_stage_tolerance)) wrong.push_back(stage);
                }};
  // One element of one stage is spoilt before the next stage is computed: that one, and no other, is out of tolerance.
  struct Spoil {
    Forced* forced;
    static void observe(void* context, std::string_view name, const Shape& nhwc, float* elements) {
      if (name == "stages.1") elements[nhwc.elements() - 1] += 0.5f;
      Forced::observe(static_cast<Spoil*>(context)->forced, name, nhwc, elements);
    }
  } spoil{&forced};
  session.set_stage_observer(Spoil::observe, &spoil);
  test::require_ok(session.run(recorded.input()));
  REQUIRE(wrong == std::vector<std::string>{"stages.1"});
}

TEST_CASE("kept stages do not change the logits", "[golden]") {
  for (const char* name : k_goldens) {
    const Recorded recorded(name);
    const TensorView& input = recorded.input();
    std::vector<float> logits[2];
    for (const bool keep : {false, true}) {
      SessionOptions options;
      options.size = {static_cast<int>(input.shape[2]), static_cast<int>(input.shape[3])};
      options.keep_stages = keep;
      auto session = Session::create(*recorded.model, options);
      test::require_ok(session);
      test::require_ok(session->run(input));
      const TensorView out = session->logits();
      logits[keep].assign(out.f32(), out.f32() + out.shape.elements());
    }
    REQUIRE(logits[0] == logits[1]);
  }
}
