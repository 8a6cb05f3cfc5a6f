#include "weights/weight_file.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "support/files.h"
#include "support/safetensors_writer.h"
#include "support/status_checks.h"

namespace lemore {
namespace {

using test::require_error;
using test::require_ok;
using test::SafetensorsWriter;
using test::TempFile;

Result<std::shared_ptr<const WeightFile>> parse(const SafetensorsWriter& writer) {
  const std::string bytes = writer.bytes();
  return WeightFile::from_memory(bytes.data(), bytes.size(), true, "some.safetensors");
}

void refuse(const SafetensorsWriter& writer, std::initializer_list<std::string> parts,
            StatusCode code = StatusCode::invalid_file) {
  require_error(parse(writer), code, {"some.safetensors: "});
  require_error(parse(writer), code, parts);
}

/// The valid file with one metadata value replaced.
SafetensorsWriter with_metadata(const char* key, const std::string& value) {
  SafetensorsWriter writer = test::weight_file();
  *writer.find_metadata(key) = value;
  return writer;
}

/// The valid file with `from` in one metadata value replaced by `to`.
SafetensorsWriter with_replaced(const char* key, const std::string& from, const std::string& to) {
  SafetensorsWriter writer = test::weight_file();
  std::string& value = *writer.find_metadata(key);
  const std::size_t at = value.find(from);
  REQUIRE(at != std::string::npos);
  value.replace(at, from.size(), to);
  return writer;
}

SafetensorsWriter without_metadata(const char* key) {
  SafetensorsWriter writer = test::weight_file();
  const auto gone = std::remove_if(writer.metadata.begin(), writer.metadata.end(),
                                   [&](const auto& entry) { return entry.first == key; });
  writer.metadata.erase(gone, writer.metadata.end());
  return writer;
}

SafetensorsWriter without_tensors(std::initializer_list<const char*> names) {
  SafetensorsWriter writer = test::weight_file();
  for (const char* name : names) {
    REQUIRE(writer.find(name) != nullptr);
    writer.tensors.erase(writer.tensors.begin() + (writer.find(name) - writer.tensors.data()));
  }
  return writer;
}

void check_contents(const WeightFile& file, const SafetensorsWriter& writer) {
  CHECK(file.architecture() == "lemore");
  CHECK(file.config_json() == test::k_tiny_config);
  CHECK(file.network().input_size() == Size{64, 96});
  CHECK(file.outputs() == 3);
  CHECK(file.labels().name == "test");
  CHECK(file.labels().ignore_label == 255);
  CHECK(file.labels().annotation_offset == 1);
  REQUIRE(file.labels().classes.size() == 3);
  CHECK(file.labels().classes[2].name == "class 2");
  CHECK(file.labels().classes[2].color == std::array<std::uint8_t, 3>{2, 20, 30});
  CHECK(file.preprocessing().mean[0] == 123.675f);
  CHECK(file.preprocessing().std[2] == 57.375f);
  CHECK(file.preprocessing().label_map == LabelMapRule::direct);
  CHECK(file.provenance().source == "test");
  CHECK(file.provenance().license == "none");
  CHECK(file.provenance().converter == "tests");
  CHECK(file.provenance().metrics_json == "{\"miou\":0.5}");
  REQUIRE(file.weights().size() == writer.tensors.size());
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < writer.tensors.size(); ++i) {
    const SafetensorsWriter::Entry& expected = writer.tensors[i];
    INFO("tensor " << expected.name);
    CHECK(is_aligned(file.weights()[i]));
    CHECK(std::memcmp(file.weights()[i], expected.data.data(), expected.data.size()) == 0);
    bytes += expected.data.size();
  }
  CHECK(file.tensor_bytes() == bytes);
}

TEST_CASE("a weight file is the same mapped, copied, from memory and misaligned", "[weight_file]") {
  const SafetensorsWriter writer = test::weight_file();
  const TempFile aligned(writer.bytes()), packed(writer.bytes(false));
  for (const bool copy : {false, true}) {
    const Result<std::shared_ptr<const WeightFile>> file = WeightFile::load(aligned.path(), copy);
    require_ok(file);
    CHECK((*file)->copied_bytes() == 0);
    CHECK((*file)->file() == aligned.path());
    check_contents(**file, writer);
    const Result<std::shared_ptr<const WeightFile>> unaligned = WeightFile::load(packed.path(), copy);
    require_ok(unaligned);
    CHECK((*unaligned)->copied_bytes() > 0);
    check_contents(**unaligned, writer);
  }
  // From memory at every offset of a block, with data on, next to and far from a boundary.
  for (const std::size_t offset : {0, 1, 4, 63}) {
    for (const bool align : {true, false}) {
      const std::string bytes = writer.bytes(align, offset);
      Result<Tensor> block = Tensor::create(DType::u8, {bytes.size() + 64});
      require_ok(block);
      for (const std::size_t shift : {0, 1, 63}) {
        auto* at = static_cast<char*>(block->data()) + shift;
        std::memcpy(at, bytes.data(), bytes.size());
        for (const bool copy : {false, true}) {
          const Result<std::shared_ptr<const WeightFile>> file =
              WeightFile::from_memory(at, bytes.size(), copy, "memory");
          require_ok(file);
          check_contents(**file, writer);
          const bool in_place = align && (offset + (copy ? 0 : shift)) % 64 == 0;
          CHECK(((*file)->copied_bytes() == 0) == in_place);
          const char* data = reinterpret_cast<const char*>((*file)->weights()[0]);
          if (in_place && !copy) CHECK((data > at && data < at + bytes.size()));
        }
      }
    }
  }
}

TEST_CASE("weight files of other configurations", "[weight_file]") {
  for (const char* config :
       {R"({"input_size":[64,64],"stages":[{"channels":8}],"classes_only":12,"nested":{"layers":1}})",
        R"({"input_size":[33,65],"stages":[{"channels":8}],"attention":"channel","views":["lateral"]})",
        R"({"input_size":[32,32],"stages":[{"channels":3}],"attention":null,"nested":{"enabled":false}})"}) {
    const Result<std::shared_ptr<const WeightFile>> file = parse(test::weight_file(config));
    INFO(config);
    require_ok(file);
    CHECK((*file)->labels().classes.size() == (*file)->outputs());
  }
}

TEST_CASE("optional metadata", "[weight_file]") {
  Result<std::shared_ptr<const WeightFile>> file = parse(with_replaced("preprocessing", "direct", "two_step"));
  require_ok(file);
  CHECK((*file)->preprocessing().label_map == LabelMapRule::two_step);
  file = parse(with_replaced("provenance", "{\"miou\":0.5}", "null"));
  require_ok(file);
  CHECK((*file)->provenance().metrics_json.empty());
  file = parse(
      with_replaced("provenance", "\"source_sha256\":\"\"", "\"source_sha256\":\"" + std::string(64, 'a') + "\""));
  require_ok(file);
  CHECK((*file)->provenance().source_sha256 == std::string(64, 'a'));
  file = parse(with_replaced("labels", "255", "-1"));
  require_ok(file);
  CHECK((*file)->labels().ignore_label == -1);
  require_ok(parse(with_replaced("labels", "{\"name\":\"test\"", "{\"annotation_note\":\"x\",\"name\":\"test\"")));
  SafetensorsWriter writer = test::weight_file();
  writer.metadata.emplace_back("comment", "keys of later versions do no harm");
  require_ok(parse(writer));
}

TEST_CASE("a weight file's metadata is checked and named", "[weight_file]") {
  refuse(without_metadata("format"), {"metadata 'format'", "'lemore'", "nothing", "tools/convert.py"});
  refuse(with_metadata("format", "pt"), {"metadata 'format'", "'pt'", "tools/convert.py"});
  refuse(with_metadata("format_version", "2"), {"metadata 'format_version'", "'1'", "'2'"}, StatusCode::unsupported);
  refuse(without_metadata("format_version"), {"metadata 'format_version'"}, StatusCode::unsupported);
  refuse(with_metadata("architecture", "resnet"), {"metadata 'architecture'", "'lemore'", "'resnet'"},
         StatusCode::unsupported);
  for (const char* key : {"config", "labels", "preprocessing", "provenance"}) {
    refuse(without_metadata(key), {"metadata '" + std::string(key) + "'", "nothing"});
    refuse(with_metadata(key, "{x}"), {key, "JSON at byte 1"});
    refuse(with_metadata(key, "[]"), {key, "an object"});
    refuse(with_metadata(key, std::string(100000, '[')), {key, "levels"});
  }
  refuse(with_replaced("config", "\"num_classes\"", "\"classes\""), {"config: ", "unknown field 'classes'"});
  refuse(with_replaced("config", "[64, 96]", "[64, 20000]"), {"config.input_size[1]", "20000"});

  refuse(with_replaced("labels", "\"name\":\"test\",", ""), {"labels.name", "a string", "nothing"});
  refuse(with_replaced("labels", "255", "70000"), {"labels.ignore_label", "70000"});
  refuse(with_replaced("labels", "255", "null"), {"labels.ignore_label", "null"});
  refuse(with_replaced("labels", "\"annotation_offset\":1", "\"annotation_offset\":-1"), {"labels.annotation_offset"});
  refuse(with_replaced("labels", "\"annotation_offset\"", "\"offset\""), {"labels", "unknown field 'offset'"});
  refuse(with_replaced("labels", "{\"name\":\"class 0\",\"color\":[0,20,30]},", ""),
         {"labels.classes", "3 items", "got 2"});
  refuse(with_replaced("labels", "\"class 1\"", "7"), {"labels.classes[1].name", "7"});
  refuse(with_replaced("labels", "[1,20,30]", "[1,20,256]"), {"labels.classes[1].color[2]", "0..255", "256"});
  refuse(with_replaced("labels", "[1,20,30]", "[1,20]"), {"labels.classes[1].color", "3 items"});
  refuse(with_replaced("labels", "[1,20,30]", "[1,20,3.5]"), {"labels.classes[1].color[2]", "3.5"});
  refuse(with_replaced("labels", ",\"color\":[1,20,30]", ""), {"labels.classes[1].color", "nothing"});

  refuse(with_replaced("preprocessing", "\"rgb\"", "\"bgr\""), {"preprocessing.channel_order", "'rgb'", "\"bgr\""});
  refuse(with_replaced("preprocessing", "bilinear", "nearest"), {"preprocessing.resize", "'bilinear'", "\"nearest\""});
  refuse(with_replaced("preprocessing", "direct", "other"), {"preprocessing.label_map", "'two_step'", "\"other\""});
  refuse(with_replaced("preprocessing", "123.675,", ""), {"preprocessing.mean", "3 items"});
  refuse(with_replaced("preprocessing", "123.675", "1e999"), {"preprocessing.mean[0]", "1e999"});
  refuse(with_replaced("preprocessing", "58.395", "0"), {"preprocessing.std[0]", "got 0"});
  refuse(with_replaced("preprocessing", "58.395", "-1"), {"preprocessing.std[0]", "got -1"});
  refuse(with_replaced("preprocessing", "58.395", "\"58\""), {"preprocessing.std[0]", "\"58\""});
  refuse(with_replaced("preprocessing", "\"resize\"", "\"scale\""), {"preprocessing", "'scale'"});

  refuse(with_replaced("provenance", "\"source\":\"test\"", "\"source\":1"), {"provenance.source", "a string"});
  refuse(with_replaced("provenance", "\"license\":\"none\",", ""), {"provenance.license", "nothing"});
  refuse(with_replaced("provenance", "{\"miou\":0.5}", "0.5"), {"provenance.metrics", "an object or null"});
  for (const std::string& digest : {std::string("abc"), std::string(64, 'G'), std::string(64, 'A')}) {
    refuse(with_replaced("provenance", "\"source_sha256\":\"\"", "\"source_sha256\":\"" + digest + "\""),
           {"provenance.source_sha256", "64 hexadecimal"});
  }
}

TEST_CASE("a weight file holds exactly the tensors of its configuration", "[weight_file]") {
  refuse(without_tensors({"nested.0.qkv.bias"}), {"tensor 'nested.0.qkv.bias'", "[22] of F32", "nothing"});
  refuse(without_tensors({"stem.bias", "head.fuse.bias", "fusion.0.gate.bias"}),
         {"tensor 'stem.bias'", "nothing", "and 2 more tensors"});
  SafetensorsWriter writer = test::weight_file();
  writer.add("stages.0.extra", {1}, {1});
  refuse(writer, {"tensor 'stages.0.extra'", "no such tensor", "[1] of F32"});
  writer.add("stages.0.extra2", {1}, {1});
  refuse(writer, {"and 1 more tensor)"});

  writer = test::weight_file();
  writer.find("stem.weight")->shape = {27, 1, 16};
  refuse(writer, {"tensor 'stem.weight'", "[1, 27, 16] of F32", "[27, 1, 16] of F32"});
  writer = test::weight_file();
  writer.find("stem.bias")->dtype = DType::i32;
  refuse(writer, {"tensor 'stem.bias'", "[4] of F32", "[4] of I32"});
  writer = test::weight_file();
  writer.find("stem.bias")->dtype = DType::f16;
  writer.find("stem.bias")->data.resize(8);
  refuse(writer, {"tensor 'stem.bias'", "[4] of F16"});
  writer = test::weight_file();
  writer.add("__pad.x", {1}, {1});
  refuse(writer, {"tensor '__pad.x'", "U8", "F32"});
  // Another configuration calls for other tensors: 3 classes in the file, 4 in the configuration.
  writer = with_replaced("config", "\"num_classes\": 3", "\"num_classes\": 4");
  *writer.find_metadata("labels") = *test::weight_file(*writer.find_metadata("config")).find_metadata("labels");
  refuse(writer, {"tensor 'head.classifier.bias'", "[4] of F32", "[3] of F32"});
}

TEST_CASE("a training checkpoint is told where to go", "[weight_file]") {
  for (const char* name : {"stem.conv.weight", "module.stem.bn.running_var", "weights.stem.bn.bias"}) {
    SafetensorsWriter writer;
    writer.add(name, {1}, {1});
    refuse(writer, {name, "training checkpoint", "tools/convert.py"});
  }
  refuse(SafetensorsWriter(), {"metadata 'format'", "tools/convert.py"});
}

TEST_CASE("infinite and NaN weights are found wherever they are", "[weight_file]") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const float value : {inf, -inf, nan, -nan}) {
    for (const char* name : {"stem.weight", "head.classifier.bias", "stages.1.cartesian.norm.weight"}) {
      const std::size_t elements = test::weight_file().find(name)->shape.elements();
      for (const std::size_t at : {std::size_t{0}, elements / 2, elements - 1}) {
        SafetensorsWriter writer = test::weight_file();
        std::memcpy(&writer.find(name)->data[at * sizeof(float)], &value, sizeof value);
        refuse(writer, {"tensor '" + std::string(name) + "'", "finite", "element " + std::to_string(at)});
      }
    }
  }
  SafetensorsWriter writer = test::weight_file();  // the largest and smallest floats are weights like others
  const float large = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  std::memcpy(&writer.find("stem.bias")->data[0], &large, sizeof large);
  std::memcpy(&writer.find("stem.bias")->data[4], &tiny, sizeof tiny);
  require_ok(parse(writer));
}

TEST_CASE("weight files that can't be opened", "[weight_file]") {
  require_error(WeightFile::load("/nowhere/model.safetensors"), StatusCode::io_error,
                {"/nowhere/model.safetensors", "No such file"});
  require_error(WeightFile::load("/tmp"), StatusCode::io_error, {"/tmp", "a folder"});
  require_error(WeightFile::from_memory(nullptr, 5, false, "memory"), StatusCode::invalid_argument, {"memory", "null"});
  require_error(WeightFile::from_memory(nullptr, 0, false, "memory"), StatusCode::invalid_file, {"memory"});
}

TEST_CASE("a weight file cut or mutated anywhere never crashes", "[weight_file]") {
  const std::string good = test::weight_file().bytes();
  const std::size_t header = good.find("}}");
  std::size_t step = 1;
  for (std::size_t n = 0; n < good.size(); n += step) {
    if (n > header) step = 61;  // in the data, not every length is another case
    std::vector<char> exact(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n));
    const Result<std::shared_ptr<const WeightFile>> file =
        WeightFile::from_memory(exact.data(), exact.size(), n % 2, "cut");
    REQUIRE_FALSE(file.ok());
  }
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 2500; ++i) {
    std::vector<char> bytes(good.begin(), good.end());
    const std::size_t range = i % 4 ? good.find("stem.weight") : bytes.size();  // mostly metadata
    for (int change = 0; change < 1 + i % 2; ++change) bytes[random() % range] = static_cast<char>(random());
    const Result<std::shared_ptr<const WeightFile>> file =
        WeightFile::from_memory(bytes.data(), bytes.size(), false, "mutated");
    if (!file.ok()) continue;
    ++accepted;
    float sum = 0;
    for (const float* weight : (*file)->weights()) sum += *weight;
    REQUIRE(std::isfinite(sum));
  }
  CHECK(accepted > 100);  // letters of names, digits of colours and weights may change
}

TEST_CASE("the converter's files are read", "[weight_file]") {
  // By name: the emulator of 32-bit Arm does not list folders of large file systems.
  for (const char* name : {"plain", "rect", "odd-channel", "resampled", "three-stages", "classifier", "segformer/mmseg",
                           "segformer/offset", "segformer/hf", "segformer/classifier"}) {
    INFO(name);
    const std::string path = LEMORE_SOURCE_DIR "/tests/golden/" + std::string(name) + ".model.safetensors";
    const Result<std::shared_ptr<const WeightFile>> mapped = WeightFile::load(path),
                                                    copied = WeightFile::load(path, true);
    require_ok(mapped);
    require_ok(copied);
    CHECK((*mapped)->copied_bytes() == 0);  // written aligned, so used in place
    CHECK((*mapped)->tensor_bytes() == (*copied)->tensor_bytes());
  }
}

}  // namespace
}  // namespace lemore
