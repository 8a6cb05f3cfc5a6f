#include <catch2/catch.hpp>

#include "lemore/session.h"
#include "support/test_model.h"

using namespace lemore;

namespace {

// The published configuration with fields replaced: the last of two equal fields would be an error, so each is set
// once.
struct Published {
  std::string size = "[512, 512]", views = R"(["transverse", "frontal", "lateral"])", attention = R"("coordinate")";
  bool nested = true;
  int classes = 150, token_stride = 64;
  bool classifier = false;

  std::string json() const {
    std::string text = R"({"input_size": )" + size + R"(, "num_classes": )" + std::to_string(classes) +
                       R"(, "views": )" + views + R"(, "attention": )" + attention + R"(, "token_stride": )" +
                       std::to_string(token_stride) + R"(, "nested": {"enabled": )" + (nested ? "true" : "false") + "}";
    if (classifier) text += R"(, "classes_only": 1000)";
    return text + "}";
  }
};

struct Row {
  Published config;
  Size size;
  std::uint64_t parameters, macs;
};

const char* const k_transverse = R"(["transverse"])";
const char* const k_two = R"(["transverse", "frontal"])";
const char* const k_three = R"(["transverse", "frontal", "lateral"])";

}  // namespace

TEST_CASE("the thirteen parameter and MAC counts of docs/networks/lemore.md", "[counts]") {
  const std::vector<Row> rows = {
      {{"[512, 512]", k_transverse, "null", false}, {512, 512}, 1118390, 685579264},
      {{"[512, 512]", k_two, "null", false}, {512, 512}, 1140150, 732634112},
      {{"[512, 512]", k_three, "null", false}, {512, 512}, 1161910, 779688960},
      {{"[512, 512]", k_three, "\"coordinate\"", false}, {512, 512}, 1215254, 781638656},
      {{"[512, 512]", k_transverse, "null", true}, {512, 512}, 1501286, 709811200},
      {{"[512, 512]", k_two, "null", true}, {512, 512}, 1523046, 756866048},
      {{"[512, 512]", k_three, "null", true}, {512, 512}, 1544806, 803920896},
      {{}, {512, 512}, 1598150, 805870592},
      {{"[224, 224]", k_three, "\"coordinate\"", true, 150, 32, true}, {224, 224}, 1667810, 141268112},
      {{"[448, 448]"}, {448, 448}, 1587950, 608201328},
      {{"[480, 480]", k_three, "\"coordinate\"", true, 60}, {480, 480}, 1581270, 670254688},
      {{"[512, 1024]", k_three, "\"coordinate\"", true, 19}, {512, 1024}, 1646531, 1567512576},
      {{"[512, 512]", k_three, "\"coordinate\"", true, 171}, {512, 512}, 1600859, 816880640},
  };
  for (const Row& row : rows) {
    INFO(row.config.json());
    const Model model = test::tiny_model(row.config.json());
    REQUIRE(model.trained_parameters() == row.parameters);
    const auto macs = model.macs(row.size);
    REQUIRE(macs.ok());
    REQUIRE(*macs == row.macs);
  }
}

TEST_CASE("the published network at 512x512 runs, and its arena is bounded", "[counts]") {
  const Model model = test::tiny_model(Published{}.json());
  SessionOptions options;
  options.threads = 1;
  auto session = Session::create(model, options);
  REQUIRE(session.ok());
  // README: "5.8 MB for activations". What is expanded lives in strips, never whole: the first block's alone would take 25 MB.
  INFO(session->arena_bytes() << " bytes on " << isa_name(session->isa()));
  REQUIRE(session->arena_bytes() <= 5800000);
  REQUIRE(session->run(test::random_image({300, 400}, PixelFormat::rgb, 1).view()).ok());
  REQUIRE(session->logits().shape == Shape{1, 64, 64, 150});
}
