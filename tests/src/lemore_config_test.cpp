#include <catch2/catch.hpp>

#include "graph/network.h"
#include "support/files.h"
#include "support/skip.h"
#include "support/status_checks.h"
#include "weights/safetensors.h"

namespace lemore {
namespace {

using test::require_error;
using test::require_ok;

/// Describes the configuration at its own input size.
Status describe(const std::string& json, graph::Graph& graph) {
  const auto network = graph::read_network(*graph::find_architecture("lemore"), json, "some.json");
  if (!network.ok()) return network.status();
  (*network)->describe(graph, (*network)->input_size());
  if (!graph.status().ok()) return {graph.status().code(), "some.json: " + graph.status().message()};
  return {};
}

/// The graph that a valid configuration describes.
struct Parsed : graph::Graph {
  explicit Parsed(const std::string& json) {
    INFO("configuration " << json);
    require_ok(describe(json, *this));
  }
};

/// The shape of the weight of a name, or "none".
std::string shape(const graph::Graph& graph, const std::string& name) {
  for (const graph::Weight& weight : graph.weights())
    if (weight.name == name) return weight.shape.to_string();
  return "none";
}

const graph::Node& node(const graph::Graph& graph, const std::string& name) {
  for (const graph::Node& node : graph.nodes())
    if (node.name == name) return node;
  FAIL("no node is called " << name);
  return graph.nodes().front();
}

void refuse(const std::string& json, std::initializer_list<std::string> parts) {
  INFO("configuration " << json);
  graph::Graph graph;
  const Status status = describe(json, graph);
  require_error(status, StatusCode::invalid_file, {"some.json: config"});
  require_error(status, StatusCode::invalid_file, parts);
}

TEST_CASE("absent fields take the published values", "[config]") {
  const Parsed g("{}");
  CHECK(g.image().h == 514);  // with its border
  CHECK(g.image().w == 514);
  CHECK(g.output().c == 150);
  CHECK(g.output().h == 64);
  CHECK(g.output_kind() == graph::OutputKind::pixel_logits);
  CHECK(node(g, "stem").output.c == 16);
  CHECK(node(g, "nested.2").output.c == 64);
  CHECK(node(g, "nested.2.ffn.project").output.c == 232);
}

TEST_CASE("every field is read", "[config]") {
  const Parsed g(R"({"input_size": [96, 130], "num_classes": 7, "stem_channels": 8,
      "stages": [{"channels": 12, "down": {"expansion": 1, "kernel": 5}, "blocks": [{"expansion": 4}, {"kernel": 5}]}],
      "views": ["lateral", "transverse"], "dilation": 3, "attention": "channel", "skip": false, "token_stride": 16,
      "nested": {"enabled": true, "layers": 2, "branches": 4, "heads": 3, "key_dim": 9, "value_dim": 6},
      "ffn_expansion": 3, "fusion_channels": 20, "fusion_stride": 4, "classes_only": null})");
  CHECK(g.image().h == 98);
  CHECK(g.image().w == 132);
  CHECK(shape(g, "stem.bias") == "[8]");
  CHECK(shape(g, "stages.0.down.expand.weight") == "none");
  CHECK(shape(g, "stages.0.down.depthwise.weight") == "[5, 5, 8]");
  CHECK(shape(g, "stages.0.blocks.0.expand.bias") == "[48]");
  CHECK(shape(g, "stages.0.blocks.0.depthwise.weight") == "[3, 3, 48]");
  CHECK(shape(g, "stages.0.blocks.1.depthwise.weight") == "[5, 5, 72]");
  CHECK(shape(g, "stages.0.blocks.2.depthwise.weight") == "none");
  CHECK(shape(g, "stages.1.down.project.weight") == "none");
  CHECK(shape(g, "stages.0.cartesian.transverse.weight") == "[1, 12, 16]");
  CHECK(shape(g, "stages.0.cartesian.frontal.weight") == "none");
  CHECK(shape(g, "stages.0.cartesian.lateral.weight") == "[33, 33]");  // 130 -> 65 -> 33
  CHECK(node(g, "stages.0.cartesian.axial.2").as<graph::Depthwise>()->dilation == 3);
  CHECK(shape(g, "stages.0.cartesian.attention.fc1.weight") == "[1, 12, 16]");
  CHECK_FALSE(node(g, "stages.0.cartesian.attention").inputs[3]);  // no skip
  CHECK(shape(g, "nested.1.qkv.bias") == "[78]");                  // 2 x 4 x 9 + 6
  CHECK(shape(g, "nested.2.qkv.bias") == "none");
  CHECK(node(g, "nested.0").as<graph::NestedAttention>()->heads == 3);
  CHECK(node(g, "nested.0").output.h == 6);  // tokens: 96 / 16
  CHECK(shape(g, "nested.0.ffn.expand.bias") == "[36]");
  CHECK(shape(g, "fusion.0.local.bias") == "[20]");
  CHECK(shape(g, "head.classifier.bias") == "[7]");
  CHECK(g.output().h == 24);
  CHECK(g.output().w == 33);
  const Parsed classifier(R"({"classes_only": 10, "num_classes": 1000})");
  CHECK(classifier.output().c == 10);
  CHECK(classifier.output_kind() == graph::OutputKind::class_logits);
  const Parsed plain(R"({"attention": null})");
  for (const graph::Node& n : plain.nodes()) CHECK_THAT(n.name, !Catch::Contains("cartesian.attention"));
}

TEST_CASE("a configuration's wrong fields are refused by name", "[config]") {
  refuse("{", {"config: JSON"});
  refuse("[]", {"config: expected an object"});
  refuse(R"({"colour": 1})", {"unknown field 'colour'"});
  for (const char* value : {"null", "512", "[512]", "[1,2,3]", "\"512x512\""}) {
    refuse("{\"input_size\": " + std::string(value) + "}", {"config.input_size", "2 items"});
  }
  for (const char* value : {"31", "16385", "512.0", "true", "\"512\"", "-512", "99999999999999999999", "null"}) {
    refuse("{\"input_size\": [64," + std::string(value) + "]}", {"config.input_size[1]", "32..16384", value});
  }
  const auto out_of_bounds = [](const std::string& object, const std::string& path, const std::string& key, long low,
                                long high) {
    const auto place = object.find('?');
    for (const std::string& value : {std::to_string(low - 1), std::to_string(high + 1), std::to_string(low) + ".0",
                                     std::string("true"), std::string("\"1\""), std::string("null")}) {
      std::string json = object;
      json.replace(place, 1, "\"" + key + "\": " + value);
      refuse(json, {path + "." + key + ": expected", value});
    }
  };
  out_of_bounds("{?}", "config", "num_classes", 1, 256);
  out_of_bounds("{?}", "config", "stem_channels", 1, 8192);
  out_of_bounds("{?}", "config", "dilation", 1, 64);
  out_of_bounds("{?}", "config", "token_stride", 1, 1024);
  out_of_bounds("{?}", "config", "ffn_expansion", 1, 64);
  out_of_bounds("{?}", "config", "fusion_channels", 1, 8192);
  out_of_bounds("{?}", "config", "fusion_stride", 1, 1024);
  out_of_bounds("{\"stages\":[{\"channels\":8},{?}]}", "config.stages[1]", "channels", 1, 8192);
  out_of_bounds("{\"stages\":[{\"channels\":8,\"down\":{?}}]}", "config.stages[0].down", "expansion", 1, 64);
  out_of_bounds("{\"stages\":[{\"channels\":8,\"blocks\":[{},{?}]}]}", "config.stages[0].blocks[1]", "kernel", 3, 5);
  for (const char* key : {"key_dim", "value_dim"}) out_of_bounds("{\"nested\":{?}}", "config.nested", key, 1, 8192);
  out_of_bounds("{\"nested\":{?}}", "config.nested", "layers", 0, 64);
  out_of_bounds("{\"nested\":{?}}", "config.nested", "branches", 1, 16);
  out_of_bounds("{\"nested\":{?}}", "config.nested", "heads", 1, 64);
  refuse(R"({"classes_only": 0})", {"config.classes_only", "1..65536"});
  refuse(R"({"classes_only": 65537})", {"config.classes_only", "65537"});
  refuse(R"({"stages": [{"channels": 8, "down": {"kernel": 4}}]})", {"config.stages[0].down.kernel", "3 or 5", "4"});
  refuse(R"({"stages": [{"channels": 8, "down": {"stride": 1}}]})", {"config.stages[0].down", "'stride'"});
  refuse(R"({"stages": [{"down": {}}]})", {"config.stages[0].channels", "nothing"});
  refuse(R"({"stages": [{"channels": 8, "color": 1}]})", {"config.stages[0]", "'color'"});
  refuse(R"({"stages": [8]})", {"config.stages[0]", "an object"});
  refuse(R"({"stages": []})", {"config.stages", "1..8 items", "0"});
  refuse(R"({"stages": null})", {"config.stages"});
  refuse(R"({"views": []})", {"config.views", "1..3 items"});
  refuse(R"({"views": ["diagonal"]})", {"config.views[0]", "transverse, frontal, lateral", "\"diagonal\""});
  refuse(R"({"views": ["lateral", "lateral"]})", {"config.views[1]", "distinct"});
  refuse(R"({"views": [1]})", {"config.views[0]"});
  refuse(R"({"views": "lateral"})", {"config.views", "a list"});
  for (const char* value : {"\"spatial\"", "true", "1", "\"\"", "[]"}) {
    refuse("{\"attention\": " + std::string(value) + "}", {"config.attention", "'coordinate', 'channel' or null"});
  }
  for (const char* value : {"1", "null", "\"true\""}) {
    refuse("{\"skip\": " + std::string(value) + "}", {"config.skip", "true or false"});
    refuse("{\"nested\": {\"enabled\": " + std::string(value) + "}}", {"config.nested.enabled"});
  }
  refuse(R"({"nested": {"depth": 2}})", {"config.nested", "'depth'"});
  refuse(R"({"nested": null})", {"config.nested", "an object"});
  refuse(R"({"nested": {"heads": 5}})", {"config.nested.key_dim", "multiple of heads (5)", "48"});
  refuse(R"({"nested": {"heads": 3}})", {"config.nested.value_dim", "multiple of heads (3)", "64"});
}

TEST_CASE("networks of absurd size are refused before anything is allocated", "[config]") {
  refuse(R"({"stages": [{"channels": 8192}, {"channels": 8, "down": {"expansion": 9}}]})",
         {"config.stages[1].down", "65536", "73728"});
  refuse(R"({"stages": [{"channels": 8192, "blocks": [{"expansion": 1}, {"expansion": 64}]}]})",
         {"config.stages[0].blocks", "65536", "524288"});
  refuse(R"({"stages": [{"channels": 8192}], "ffn_expansion": 9})", {"config.ffn_expansion", "65536"});
  refuse(R"({"nested": {"branches": 16, "key_dim": 8192}})", {"config.nested", "65536"});
  refuse(R"({"stages": [{"channels": 8192, "down": {"expansion": 1}}], "ffn_expansion": 8})",
         {"config", "2147483648 bytes of weights"});
  std::string many = R"({"nested": {"layers": 64}, "stages": [)";
  for (int i = 0; i < 8; ++i) many += std::string(i ? "," : "") + R"({"channels": 8192, "down": {"expansion": 8}})";
  refuse(many + R"(], "ffn_expansion": 1})", {"bytes of weights"});
}

TEST_CASE("the largest bounds still list their layers quickly", "[config]") {
  std::string json = R"({"nested": {"layers": 64}, "stages": [)";
  for (int i = 0; i < 8; ++i) {
    json += std::string(i ? "," : "") + R"({"channels": 1, "blocks": [{})";
    for (int j = 1; j < 64; ++j) json += ",{}";
    json += "]}";
  }
  const Parsed g(json + "]}");
  CHECK(g.nodes().size() > 1500);
  CHECK(shape(g, "stages.7.cartesian.frontal.weight") == "[1, 1]");
}

TEST_CASE("the inference form's tensors of the published network", "[config]") {
  const Parsed g("{}");
  CHECK(shape(g, "stem.weight") == "[1, 27, 16]");
  CHECK(shape(g, "stem.bias") == "[16]");
  CHECK(shape(g, "stages.0.down.expand.weight") == "[6, 16, 16]");
  CHECK(shape(g, "stages.0.down.expand.bias") == "[96]");
  CHECK(shape(g, "stages.0.down.depthwise.weight") == "[3, 3, 96]");
  CHECK(shape(g, "stages.1.down.project.weight") == "[3, 96, 16]");
  CHECK(shape(g, "stages.1.down.project.bias") == "[40]");
  CHECK(shape(g, "stages.3.blocks.0.depthwise.weight") == "[5, 5, 576]");
  CHECK(shape(g, "stages.2.cartesian.transverse.weight") == "[5, 80, 16]");
  CHECK(shape(g, "stages.2.cartesian.transverse.bias") == "none");
  CHECK(shape(g, "stages.2.cartesian.frontal.weight") == "[32, 32]");
  CHECK(shape(g, "stages.0.cartesian.lateral.weight") == "[128, 128]");
  CHECK(shape(g, "stages.2.cartesian.norm.weight") == "[80]");
  CHECK(shape(g, "stages.2.cartesian.norm.bias") == "[80]");
  CHECK(shape(g, "stages.2.cartesian.axial.0.weight") == "[3, 1, 80]");
  CHECK(shape(g, "stages.2.cartesian.axial.3.weight") == "[1, 3, 80]");
  CHECK(shape(g, "stages.2.cartesian.axial.3.bias") == "[80]");
  CHECK(shape(g, "stages.2.cartesian.attention.reduce.weight") == "[5, 80, 16]");
  CHECK(shape(g, "stages.2.cartesian.attention.height.bias") == "[80]");
  CHECK(shape(g, "stages.2.cartesian.attention.fc1.weight") == "none");
  CHECK(shape(g, "nested.2.qkv.weight") == "[22, 232, 16]");  // 2 x 3 x 48 + 64 = 352
  CHECK(shape(g, "nested.2.qkv.bias") == "[352]");
  CHECK(shape(g, "nested.0.project.weight") == "[15, 64, 16]");
  CHECK(shape(g, "nested.0.ffn.expand.weight") == "[29, 232, 16]");
  CHECK(shape(g, "nested.0.ffn.depthwise.weight") == "[3, 3, 464]");
  CHECK(shape(g, "nested.0.ffn.project.weight") == "[15, 464, 16]");
  CHECK(shape(g, "fusion.3.globl.weight") == "[8, 96, 16]");
  CHECK(shape(g, "head.fuse.weight") == "[8, 128, 16]");
  CHECK(shape(g, "head.classifier.weight") == "[10, 128, 16]");
  CHECK(shape(g, "head.classifier.bias") == "[150]");
  CHECK(shape(g, "classifier.weight") == "none");
}

TEST_CASE("the inference form's tensors follow the configuration", "[config]") {
  const auto names = [](const std::string& json) {
    std::string all = " ";
    const Parsed g(json);
    for (const graph::Weight& tensor : g.weights()) all += tensor.name + " ";
    return all;
  };
  using Catch::Contains;
  CHECK_THAT(names(R"({"stages": [{"channels": 8, "down": {"expansion": 1}}]})"), !Contains("expand.weight stages"));
  CHECK_THAT(names(R"({"stages": [{"channels": 8, "down": {"expansion": 1}}]})"), !Contains("down.expand"));
  CHECK_THAT(names(R"({"views": ["frontal"]})"),
             Contains("frontal") && !Contains("lateral") && !Contains("transverse"));
  CHECK_THAT(names(R"({"attention": null})"), !Contains("attention"));
  CHECK_THAT(names(R"({"attention": "channel"})"), Contains("attention.fc2.bias") && !Contains("reduce"));
  CHECK_THAT(names(R"({"nested": {"enabled": false}})"),
             !Contains("qkv") && !Contains("nested.0.project") && Contains("nested.2.ffn.project.weight"));
  CHECK_THAT(names(R"({"nested": {"layers": 0}})"), !Contains("nested"));
  CHECK_THAT(names(R"({"classes_only": 10})"),
             Contains(" classifier.bias ") && !Contains("fusion") && !Contains("head"));
}

TEST_CASE("the golden files' configurations are read", "[config][data]") {
  const std::string path = test::data_folder() + "/golden/lemore-classifier-224.safetensors";
  if (test::read_file(path).empty()) {
    return test::skip("LEMORE_TEST_DATA names no folder with golden");
  }
  const Result<Safetensors> golden = Safetensors::open(path);
  require_ok(golden);
  REQUIRE(golden->metadata("config") != nullptr);
  const Parsed g(*golden->metadata("config"));
  CHECK(g.output().c == 1000);
  CHECK(g.trained_parameters() == 1667810);
}

}  // namespace
}  // namespace lemore
