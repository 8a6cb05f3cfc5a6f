#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "lemore/model.h"
#include "support/safetensors_writer.h"

// The tensors of one network, written out by hand from what tools/convert.py writes. Other tests build their files from the
// library's own list of tensors; a mistake in that list would go unnoticed there, not here.

using namespace lemore;

namespace {

const char* const k_config =
    R"({"input_size": [32, 32], "num_classes": 3, "stem_channels": 4,)"
    R"( "stages": [{"channels": 5, "down": {"expansion": 1}}, {"channels": 6, "down": {"expansion": 2},)"
    R"( "blocks": [{"expansion": 3, "kernel": 5}]}], "nested": {"layers": 1, "branches": 2, "heads": 2,)"
    R"( "key_dim": 4, "value_dim": 6}, "fusion_channels": 7})";

struct Row {
  const char* name;
  Shape shape;
};

const std::vector<Row> k_rows = {
    {"stem.weight", {1, 27, 16}},
    {"stem.bias", {4}},
    {"stages.0.down.depthwise.weight", {3, 3, 4}},
    {"stages.0.down.depthwise.bias", {4}},
    {"stages.0.down.project.weight", {1, 4, 16}},
    {"stages.0.down.project.bias", {5}},
    {"stages.0.cartesian.frontal.weight", {8, 8}},
    {"stages.0.cartesian.lateral.weight", {8, 8}},
    {"stages.0.cartesian.transverse.weight", {1, 5, 16}},
    {"stages.0.cartesian.norm.weight", {5}},
    {"stages.0.cartesian.norm.bias", {5}},
    {"stages.0.cartesian.axial.0.weight", {3, 1, 5}},
    {"stages.0.cartesian.axial.0.bias", {5}},
    {"stages.0.cartesian.axial.1.weight", {1, 3, 5}},
    {"stages.0.cartesian.axial.1.bias", {5}},
    {"stages.0.cartesian.axial.2.weight", {3, 1, 5}},
    {"stages.0.cartesian.axial.2.bias", {5}},
    {"stages.0.cartesian.axial.3.weight", {1, 3, 5}},
    {"stages.0.cartesian.axial.3.bias", {5}},
    {"stages.0.cartesian.attention.reduce.weight", {1, 5, 16}},
    {"stages.0.cartesian.attention.reduce.bias", {5}},
    {"stages.0.cartesian.attention.height.weight", {1, 5, 16}},
    {"stages.0.cartesian.attention.height.bias", {5}},
    {"stages.0.cartesian.attention.width.weight", {1, 5, 16}},
    {"stages.0.cartesian.attention.width.bias", {5}},
    {"stages.1.down.expand.weight", {1, 5, 16}},
    {"stages.1.down.expand.bias", {10}},
    {"stages.1.down.depthwise.weight", {3, 3, 10}},
    {"stages.1.down.depthwise.bias", {10}},
    {"stages.1.down.project.weight", {1, 10, 16}},
    {"stages.1.down.project.bias", {6}},
    {"stages.1.blocks.0.expand.weight", {2, 6, 16}},
    {"stages.1.blocks.0.expand.bias", {18}},
    {"stages.1.blocks.0.depthwise.weight", {5, 5, 18}},
    {"stages.1.blocks.0.depthwise.bias", {18}},
    {"stages.1.blocks.0.project.weight", {1, 18, 16}},
    {"stages.1.blocks.0.project.bias", {6}},
    {"stages.1.cartesian.frontal.weight", {4, 4}},
    {"stages.1.cartesian.lateral.weight", {4, 4}},
    {"stages.1.cartesian.transverse.weight", {1, 6, 16}},
    {"stages.1.cartesian.norm.weight", {6}},
    {"stages.1.cartesian.norm.bias", {6}},
    {"stages.1.cartesian.axial.0.weight", {3, 1, 6}},
    {"stages.1.cartesian.axial.0.bias", {6}},
    {"stages.1.cartesian.axial.1.weight", {1, 3, 6}},
    {"stages.1.cartesian.axial.1.bias", {6}},
    {"stages.1.cartesian.axial.2.weight", {3, 1, 6}},
    {"stages.1.cartesian.axial.2.bias", {6}},
    {"stages.1.cartesian.axial.3.weight", {1, 3, 6}},
    {"stages.1.cartesian.axial.3.bias", {6}},
    {"stages.1.cartesian.attention.reduce.weight", {1, 6, 16}},
    {"stages.1.cartesian.attention.reduce.bias", {6}},
    {"stages.1.cartesian.attention.height.weight", {1, 6, 16}},
    {"stages.1.cartesian.attention.height.bias", {6}},
    {"stages.1.cartesian.attention.width.weight", {1, 6, 16}},
    {"stages.1.cartesian.attention.width.bias", {6}},
    {"nested.0.qkv.weight", {2, 11, 16}},
    {"nested.0.qkv.bias", {22}},
    {"nested.0.project.weight", {1, 6, 16}},
    {"nested.0.project.bias", {11}},
    {"nested.0.ffn.expand.weight", {2, 11, 16}},
    {"nested.0.ffn.expand.bias", {22}},
    {"nested.0.ffn.depthwise.weight", {3, 3, 22}},
    {"nested.0.ffn.depthwise.bias", {22}},
    {"nested.0.ffn.project.weight", {1, 22, 16}},
    {"nested.0.ffn.project.bias", {11}},
    {"fusion.0.local.weight", {1, 5, 16}},
    {"fusion.0.local.bias", {7}},
    {"fusion.0.gate.weight", {1, 5, 16}},
    {"fusion.0.gate.bias", {7}},
    {"fusion.0.globl.weight", {1, 5, 16}},
    {"fusion.0.globl.bias", {7}},
    {"fusion.1.local.weight", {1, 6, 16}},
    {"fusion.1.local.bias", {7}},
    {"fusion.1.gate.weight", {1, 6, 16}},
    {"fusion.1.gate.bias", {7}},
    {"fusion.1.globl.weight", {1, 6, 16}},
    {"fusion.1.globl.bias", {7}},
    {"head.fuse.weight", {1, 7, 16}},
    {"head.fuse.bias", {7}},
    {"head.classifier.weight", {1, 7, 16}},
    {"head.classifier.bias", {3}},
};

// The file of these rows, without the row `left_out` (-1: none).
test::SafetensorsWriter file_of(const std::vector<Row>& rows, int left_out = -1) {
  test::SafetensorsWriter writer;
  writer.metadata = {
      {"format", "lemore"},
      {"format_version", "1"},
      {"architecture", "lemore"},
      {"config", k_config},
      {"labels", R"({"name":"test","ignore_label":255,"annotation_offset":0,"classes":[{"name":"a","color":[1,2,3]},)"
                 R"({"name":"b","color":[4,5,6]},{"name":"c","color":[7,8,9]}]})"},
      {"preprocessing", R"({"channel_order":"rgb","mean":[123.675,116.28,103.53],"std":[58.395,57.12,57.375],)"
                        R"("resize":"bilinear","label_map":"direct"})"},
      {"provenance", R"({"source":"test","source_sha256":"","license":"none","converter":"tests","metrics":null})"},
  };
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (static_cast<int>(i) != left_out)
      writer.add(rows[i].name, rows[i].shape, std::vector<float>(rows[i].shape.elements(), 0.125f));
  return writer;
}

Status load(const test::SafetensorsWriter& writer) {
  const std::string bytes = writer.bytes();
  return Model::from_memory(bytes.data(), bytes.size(), true, "test").status();
}

}  // namespace

TEST_CASE("a file of exactly the tensors listed here is taken", "[weight_file]") {
  const Status status = load(file_of(k_rows));
  INFO(status.message());
  REQUIRE(status.ok());
}

TEST_CASE("each of the tensors listed here is needed, in its shape", "[weight_file]") {
  for (std::size_t i = 0; i < k_rows.size(); ++i) {
    INFO(k_rows[i].name);
    const Status missing = load(file_of(k_rows, static_cast<int>(i)));
    CHECK(missing.code() == StatusCode::invalid_file);
    CHECK(missing.message().find(k_rows[i].name) != std::string::npos);

    std::vector<Row> rows = k_rows;  // one more in the first extent
    rows[i].shape = Shape{k_rows[i].shape[0] + 1};
    for (int axis = 1; axis < k_rows[i].shape.rank(); ++axis) rows[i].shape.push_back(k_rows[i].shape[axis]);
    const Status wrong = load(file_of(rows));
    CHECK(wrong.code() == StatusCode::invalid_file);
    CHECK(wrong.message().find(k_rows[i].name) != std::string::npos);
  }
}
