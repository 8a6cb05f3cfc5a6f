#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "weights/weight_file.h"

namespace lemore::test {

/// `text` as a JSON string. Enough for tests: quotes and backslashes are escaped.
inline std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

/// A safetensors file of a header as given, right or wrong, and its data.
inline std::string raw_safetensors(const std::string& header, const std::string& data = {}) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i) & 0xFF);
  return out + header + data;
}

/// Builds well-formed safetensors files in memory.
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::string data;
  };

  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Entry> tensors;

  Entry& add(const std::string& name, DType dtype, const Shape& shape, std::string data) {
    return tensors.emplace_back(Entry{name, dtype, shape, std::move(data)});
  }

  Entry& add(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    std::string data(values.size() * sizeof(float), '\0');
    if (!values.empty()) std::memcpy(&data[0], values.data(), data.size());
    return add(name, DType::f32, shape, std::move(data));
  }

  /// The metadata value or tensor of a name; null when there is none.
  std::string* find_metadata(const std::string& key) {
    for (auto& [name, value] : metadata) {
      if (name == key) return &value;
    }
    return nullptr;
  }
  Entry* find(const std::string& name) {
    for (Entry& entry : tensors) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }

  /// The file. With `align` every tensor lies on a multiple of 64 bytes, fillers between, as tools/convert.py writes
  /// it; without, tensors follow each other and the header is padded until the data begins `offset` bytes past such a
  /// multiple.
  std::string bytes(bool align = true, std::size_t offset = 0) const {
    std::string header = "{", data;
    const auto item = [&](const std::string& text) { header += (header.size() > 1 ? "," : "") + text; };
    const auto record = [&](const std::string& name, DType dtype, const Shape& shape, const std::string& bytes) {
      std::string extents = shape.to_string();
      item(json_string(name) + ":{\"dtype\":\"" + dtype_name(dtype) + "\",\"shape\":" + extents +
           ",\"data_offsets\":[" + std::to_string(data.size()) + "," + std::to_string(data.size() + bytes.size()) +
           "]}");
      data += bytes;
    };
    if (!metadata.empty()) {
      std::string members;
      for (const auto& [key, value] : metadata) {
        members += (members.empty() ? "" : ",") + json_string(key) + ":" + json_string(value);
      }
      item("\"__metadata__\":{" + members + "}");
    }
    for (const Entry& entry : tensors) {
      record(entry.name, entry.dtype, entry.shape, entry.data);
      const std::size_t gap = (k_alignment - data.size() % k_alignment) % k_alignment;
      if (align && gap > 0) record("__pad." + std::to_string(data.size()), DType::u8, {gap}, std::string(gap, '\0'));
    }
    header += "}";
    while ((8 + header.size()) % k_alignment != offset % k_alignment) header += ' ';
    return raw_safetensors(header, data);
  }
};

/// A network small enough to be written thousands of times: two stages, all views, nested attention.
constexpr const char* k_tiny_config =
    R"({"input_size": [64, 96], "num_classes": 3, "stem_channels": 4,)"
    R"( "stages": [{"channels": 5, "down": {"expansion": 1}}, {"channels": 6, "down": {"expansion": 2},)"
    R"( "blocks": [{"expansion": 3, "kernel": 5}]}], "nested": {"layers": 1, "branches": 2, "heads": 2,)"
    R"( "key_dim": 4, "value_dim": 6}, "fusion_channels": 7})";

/// A weight file of the inference form for a configuration that is valid, its values random in -1..1.
inline SafetensorsWriter weight_file(const std::string& config_json = k_tiny_config, unsigned seed = 1,
                                     const char* architecture = "lemore") {
  SafetensorsWriter writer;
  const auto network = graph::read_network(*graph::find_architecture(architecture), config_json, "test");
  if (!network.ok()) return writer;
  graph::Graph graph;
  (*network)->describe(graph, (*network)->input_size());
  if (!graph.status().ok()) return writer;
  std::string classes;
  for (std::size_t i = 0; i < graph.output().c; ++i) {
    classes += (i ? "," : "") + ("{\"name\":\"class " + std::to_string(i)) + "\",\"color\":[" +
               std::to_string(i % 256) + ",20,30]}";
  }
  writer.metadata = {
      {"format", "lemore"},
      {"format_version", "1"},
      {"architecture", architecture},
      {"config", config_json},
      {"labels", R"({"name":"test","ignore_label":255,"annotation_offset":1,"classes":[)" + classes + "]}"},
      {"preprocessing", R"({"channel_order":"rgb","mean":[123.675,116.28,103.53],"std":[58.395,57.12,57.375],)"
                        R"("resize":"bilinear","label_map":"direct"})"},
      {"provenance",
       R"({"source":"test","source_sha256":"","license":"none","converter":"tests","metrics":{"miou":0.5}})"},
  };
  std::mt19937 random(seed);
  for (const graph::Weight& tensor : graph.weights()) {
    std::vector<float> values(tensor.shape.elements());
    for (float& value : values) value = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    writer.add(tensor.name, tensor.shape, values);
  }
  return writer;
}

}  // namespace lemore::test
