#include <catch2/catch.hpp>
#include <cmath>

#include "graph/network.h"
#include "lemore/session.h"
#include "plan/lower.h"
#include "support/status_checks.h"
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

TEST_CASE("the parameter and MAC counts of docs/networks/segformer.md", "[counts]") {
  struct Form {
    const char* head;
    std::uint64_t parameters, macs;
  };
  constexpr const char* k_mmseg = R"("channels": 256)";
  constexpr const char* k_offset = R"("channels": 256, "classifier": "offset_learning")";
  constexpr const char* k_hf = R"("channels": 256, "projection": "linear")";
  constexpr const char* k_wide_hf = R"("channels": 768, "projection": "linear")";
  struct Row {
    const char *channels, *depths;
    Form forms[3];
  };
  constexpr const char *k_narrow = "[32, 64, 160, 256]", *k_wide = "[64, 128, 320, 512]";
  const Row rows[] = {
      {k_narrow,
       "[2, 2, 2, 2]",
       {{k_mmseg, 3753718, 8387821568}, {k_offset, 3923490, 8666087424}, {k_hf, 3752694, 8387821568}}},
      {k_wide,
       "[2, 2, 2, 2]",
       {{k_mmseg, 13716822, 15878062080}, {k_offset, 13886594, 16156327936}, {k_hf, 13715798, 15878062080}}},
      {k_wide,
       "[3, 4, 6, 3]",
       {{k_mmseg, 24761686, 25679626240}, {k_offset, 24931458, 25957892096}, {k_wide_hf, 27461974, 62337843200}}},
      {k_wide,
       "[3, 4, 18, 3]",
       {{k_mmseg, 44637526, 42304798720}, {k_offset, 44807298, 42583064576}, {k_wide_hf, 47337814, 78963015680}}},
      {k_wide,
       "[3, 8, 27, 3]",
       {{k_mmseg, 61408086, 58909261824}, {k_offset, 61577858, 59187527680}, {k_wide_hf, 64108374, 95567478784}}},
      {k_wide,
       "[3, 6, 40, 3]",
       {{k_mmseg, 82008406, 74852073472}, {k_offset, 82178178, 75130339328}, {k_wide_hf, 84708694, 111510290432}}},
  };
  for (const Row& row : rows)
    for (const Form& form : row.forms) {
      const std::string config = std::string(R"({"num_classes": 150, "backbone": {"channels": )") + row.channels +
                                 R"(, "depths": )" + row.depths + R"(}, "head": {)" + form.head + "}}";
      INFO(config);
      const auto network = graph::read_network(*graph::find_architecture("segformer"), config, "test");
      test::require_ok(network);
      graph::Graph graph;
      (*network)->describe(graph, {512, 512});
      test::require_ok(graph.status());
      CHECK(graph.trained_parameters() == form.parameters);
      // Planned, not run: 340 MB of weights are not needed for it.
      const std::vector<const float*> no_weights(graph.weights().size());
      plan::Lowering lowering(graph, no_weights, {});
      lowering.lower_all();
      lowering.plan.rewritten(graph.rewritten_macs(), graph.take_merged());
      const auto plan =
          lowering.plan.finish(lowering.at(graph.image()), graph.image_border(), lowering.at(graph.output()), 0);
      test::require_ok(plan);
      CHECK(plan->macs == form.macs);
    }
}

TEST_CASE("a network says how small an image it can take", "[counts]") {
  // Strides and reductions decide: the published ones, larger reductions, and offset learning's pooling.
  struct Case {
    const char *backbone, *head;
    int least;
  };
  for (const Case& c :
       {Case{"", "", 29}, Case{R"(, "reductions": [1, 1, 1, 1])", "", 1},
        Case{R"(, "reductions": [1, 1, 1, 1])", R"(, "classifier": "offset_learning")", 5},
        Case{R"(, "reductions": [8, 4, 4, 1])", "", 49}, Case{R"(, "strides": [2, 2, 2, 2])", "", 15}}) {
    const std::string least = std::to_string(c.least), less = std::to_string(c.least - 1);
    const auto config = [&](const std::string& side) {
      return R"({"input_size": [)" + side + R"(, 96], "num_classes": 3, "backbone": {"channels": [4, 4, 8, 8],)" +
             R"( "depths": [1, 1, 1, 1], "heads": [1, 2, 2, 4], "mlp_ratios": [2, 2, 2, 2])" + c.backbone +
             R"(}, "head": {"channels": 6)" + c.head + "}}";
    };
    INFO(config(least));
    const Model model = test::model_of(test::weight_file(config(least), 1, "segformer"));
    CHECK(model.min_side() == c.least);
    SessionOptions options;
    options.threads = 1;
    options.size = {c.least, c.least};
    auto session = Session::create(model, options);
    test::require_ok(session);
    test::require_ok(session->run(test::random_image({40, 50}, PixelFormat::rgb, 1).view()));
    const TensorView logits = session->logits();
    for (std::size_t i = 0; i < logits.shape.elements(); ++i) REQUIRE(std::isfinite(logits.f32()[i]));
    options.size = {c.least, c.least - 1};
    test::require_error(Session::create(model, options), StatusCode::invalid_shape, {less, least + "..16384"});
    const auto network = graph::read_network(*graph::find_architecture("segformer"), config(less), "test");
    test::require_error(network, StatusCode::invalid_file, {"config.input_size", least + "..16384"});
  }
  CHECK(test::tiny_model().min_side() == 32);
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
