#include "image/protocol.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "lemore/segmenter.h"
#include "session/session_data.h"
#include "support/allocations.h"
#include "support/safetensors_writer.h"
#include "support/status_checks.h"

using namespace lemore;

namespace {

// Four stages of few channels, for images of at least 29 pixels a side.
constexpr const char* k_segformer =
    R"({"input_size": [64, 96], "num_classes": 3, "backbone": {"channels": [4, 4, 8, 8], "depths": [1, 1, 1, 1],)"
    R"( "heads": [1, 2, 2, 4], "mlp_ratios": [2, 2, 2, 2]}, "head": {"channels": 6}})";

/// The model with `fields` in its preprocessing.
Result<Model> model_with(const std::string& fields) {
  test::SafetensorsWriter writer = test::weight_file(k_segformer, 1, "segformer");
  *writer.find_metadata("preprocessing") =
      R"({"channel_order":"rgb","mean":[123.675,116.28,103.53],"std":[58.395,57.12,57.375],"label_map":"direct",)" +
      fields + "}";
  const std::string bytes = writer.bytes();
  return Model::from_memory(bytes.data(), bytes.size(), true, "some.safetensors");
}

}  // namespace

TEST_CASE("the size that the protocol gives an image", "[protocol]") {
  Preprocessing p;
  CHECK(image::target_size(p, {512, 512}, {480, 640}) == Size{512, 512});
  p.size_rule = SizeRule::native;
  CHECK(image::target_size(p, {512, 512}, {480, 641}) == Size{480, 641});
  p.divisor = 32;
  CHECK(image::target_size(p, {512, 512}, {480, 641}) == Size{480, 672});
  p.size_rule = SizeRule::fit;
  p.fit_long = 2048;
  p.fit_short = 512;
  p.divisor = 1;
  // mmcv.imrescale: scale = min(2048 / 683, 512 / 512) and min(2048 / 3000, 512 / 400), sides rounded half up
  CHECK(image::target_size(p, {512, 512}, {512, 683}) == Size{512, 683});
  CHECK(image::target_size(p, {512, 512}, {400, 3000}) == Size{273, 2048});
  CHECK(image::target_size(p, {512, 512}, {100, 151}) == Size{512, 773});
}

TEST_CASE("a segmenter prepares images as the weights' authors do", "[protocol]") {
  const Size size{50, 70};
  std::vector<std::uint8_t> bgr(50 * 70 * 3), rgb(bgr.size());
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i * 71 % 253);
  for (std::size_t i = 0; i < rgb.size(); ++i) bgr[i] = rgb[i / 3 * 3 + 2 - i % 3];
  const ImageView image{rgb.data(), size, 70 * 3, PixelFormat::rgb};
  struct Case {
    const char* fields;
    Size target;
    ResizeRule rule;
  };
  for (const Case& c :
       {Case{R"("resize":"pillow","size_rule":"exact")", {64, 96}, ResizeRule::pillow},
        Case{R"("resize":"opencv","size_rule":"fit","fit":[120,100])", {86, 120}, ResizeRule::opencv},
        Case{R"("resize":"opencv","size_rule":"fit","fit":[120,100],"divisor":32)", {96, 128}, ResizeRule::opencv},
        Case{R"("resize":"pillow","size_rule":"native")", {50, 70}, ResizeRule::pillow}}) {
    INFO(c.fields);
    const Result<Model> model = model_with(c.fields);
    test::require_ok(model);
    SegmenterOptions options;
    options.threads = 2;
    auto segmenter = Segmenter::create(*model, options);
    test::require_ok(segmenter);
    std::vector<std::uint8_t> labels(50 * 70), again(50 * 70);
    test::require_ok(segmenter->segment(image, {labels.data(), size, 70}));
    CHECK(segmenter->session().size() == c.target);
    const TensorView logits = segmenter->session().logits();
    const std::vector<float> got(logits.f32(), logits.f32() + logits.shape.elements());

    // The same by hand: the resize on its own, then a session of that size.
    SessionOptions session_options;
    session_options.size = c.target;
    session_options.threads = 1;
    auto session = Session::create(*model, session_options);
    test::require_ok(session);
    image::Resizer resizer;
    const ImageView resized =
        c.target == size ? image : resizer.resize(session->data().runtime, c.rule, image, c.target);
    CHECK(resized.size == c.target);
    test::require_ok(session->run(resized));
    REQUIRE(session->logits().shape.elements() == got.size());
    CHECK(std::memcmp(session->logits().f32(), got.data(), got.size() * sizeof(float)) == 0);
    // A session follows the rule too, and has room for the second image of a size.
    test::require_ok(session->run(image));
    CHECK(std::memcmp(session->logits().f32(), got.data(), got.size() * sizeof(float)) == 0);
    const std::size_t before = test::allocations();
    const Status repeated = session->run(image);
    const std::size_t after = test::allocations();
    test::require_ok(repeated);
    if (test::allocations_are_counted()) CHECK(after == before);
    // Another order of channels is the same picture.
    test::require_ok(segmenter->segment({bgr.data(), size, 70 * 3, PixelFormat::bgr}, {again.data(), size, 70}));
    CHECK(again == labels);
    const auto bytes = Segmenter::arena_bytes(*model, options, size);
    test::require_ok(bytes);
    CHECK(*bytes >= segmenter->session().arena_bytes());
  }
}

TEST_CASE("fields of the protocol are checked and named", "[protocol]") {
  const auto refuse = [](const std::string& fields, std::initializer_list<std::string> parts) {
    INFO(fields);
    test::require_error(model_with(fields), StatusCode::invalid_file, parts);
  };
  refuse(R"("resize":"lanczos")", {"preprocessing.resize", "'bilinear' or 'opencv' or 'pillow'"});
  refuse(R"("resize":"opencv","size_rule":"fit")", {"preprocessing.fit", "nothing"});
  refuse(R"("resize":"opencv","size_rule":"exact","fit":[9,9])", {"preprocessing.fit"});
  refuse(R"("resize":"opencv","size_rule":"fit","fit":[9])", {"preprocessing.fit", "2 items"});
  refuse(R"("resize":"opencv","divisor":0)", {"preprocessing.divisor", "1..4096"});
  refuse(R"("resize":"opencv","mode":"slide")", {"preprocessing.window"});
  refuse(R"("resize":"opencv","mode":"slide","window":[64,64],"stride":[32,32])", {"preprocessing.window", "64x96"});
  refuse(R"("resize":"opencv","mode":"slide","window":[64,96],"stride":[65,32])", {"preprocessing.stride"});
  test::require_ok(
      model_with(R"("resize":"opencv","mode":"slide","size_rule":"native","window":[64,96],"stride":[32,48])"));
}
