#include "weights/weight_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/build.h"
#include "core/json.h"
#include "core/text.h"
#include "weights/protocol_fields.h"

namespace lemore {
namespace {

/// Whether a tensor's name is one of the training form, for instance "stem.conv.weight" or "stem.bn.running_var".
bool is_training_name(std::string_view name) {
  for (const std::string_view part : {".conv.weight", ".bn.weight", ".bn.bias", ".running_mean", ".running_var"}) {
    if (name.size() >= part.size() && name.substr(name.size() - part.size()) == part) return true;
  }
  return false;
}

/// The metadata `key` as a JSON document, or the reason why it is none.
Result<json::Document> metadata_json(const Safetensors& source, const char* key) {
  const std::string* text = source.metadata(key);
  if (text == nullptr) {
    return make_error(StatusCode::invalid_file, {source.file(), ": metadata '", key, "': expected JSON, got nothing"});
  }
  Result<json::Document> document = json::Document::parse(*text);
  if (!document.ok()) return make_error(document.status(), {source.file(), ": metadata '", key, "'"});
  return document;
}

/// The metadata `key` is not as `expected`, which is written as a message shows it.
Status metadata_error(const Safetensors& source, const char* key, std::string_view expected, StatusCode code) {
  const std::string* value = source.metadata(key);
  const std::string got = value ? join({"'", printable(*value), "'"}) : "nothing";
  return make_error(code, {source.file(), ": metadata '", key, "': expected ", expected, ", got ", got});
}

bool has_metadata(const Safetensors& source, const char* key, const char* expected) {
  const std::string* value = source.metadata(key);
  return value != nullptr && *value == expected;
}

LabelSet read_labels(json::FieldReader& reader, const json::Field& root, std::size_t count) {
  LabelSet labels;
  // Label files carry a note for people; it may have come along.
  if (!reader.object(root, {"name", "ignore_label", "annotation_offset", "annotation_note", "classes"})) return labels;
  labels.name = reader.string(root.member("name"));
  labels.ignore_label = static_cast<int>(reader.integer(root.member("ignore_label"), -1, 65535));
  labels.annotation_offset = static_cast<int>(reader.integer(root.member("annotation_offset"), 0, 65535));
  for (const json::Field& item : reader.list(root.member("classes"), count, count)) {
    if (!reader.object(item, {"name", "color"})) break;
    ClassInfo info;
    info.name = reader.string(item.member("name"));
    std::size_t i = 0;
    for (const json::Field& part : reader.list(item.member("color"), 3, 3)) {
      info.color[i++] = static_cast<std::uint8_t>(reader.integer(part, 0, 255));
    }
    labels.classes.push_back(std::move(info));
  }
  return labels;
}

std::array<float, 3> read_triple(json::FieldReader& reader, const json::Field& field, double low, double high) {
  std::array<float, 3> out{};
  std::size_t i = 0;
  for (const json::Field& item : reader.list(field, 3, 3)) out[i++] = reader.number(item, low, high);
  return out;
}

Preprocessing read_preprocessing(graph::ConfigReader& reader, const json::Field& root, Size input) {
  Preprocessing out;
  if (!reader.object(root, {"channel_order", "mean", "std", "resize", "size_rule", "fit", "divisor", "mode", "window",
                            "stride", "label_map"}))
    return out;
  if constexpr (core::k_has_transformers) {
    read_protocol(reader, root, input, out);
  } else {
    constexpr const char* k_only[] = {name_of(ResizeRule::bilinear)};
    read_choice(reader, root, "resize", k_only);
    for (const char* key : {"size_rule", "fit", "divisor", "mode", "window", "stride"})
      if (root.member(key).value) reader.fail(root.member(key), {"nothing: this build resizes to one exact size only"});
  }
  constexpr const char* k_orders[] = {"rgb"};
  read_choice(reader, root, "channel_order", k_orders);
  out.mean = read_triple(reader, root.member("mean"), -1e6, 1e6);
  out.std = read_triple(reader, root.member("std"), 1e-6, 1e6);
  out.label_map = static_cast<LabelMapRule>(read_choice(reader, root, "label_map", k_label_map_rules));
  return out;
}

Provenance read_provenance(json::FieldReader& reader, const json::Field& root) {
  Provenance out;
  if (!reader.object(root, {"source", "source_sha256", "license", "converter", "metrics"})) return out;
  out.source = reader.string(root.member("source"));
  const json::Field digest = root.member("source_sha256");
  out.source_sha256 = reader.string(digest);
  if (!out.source_sha256.empty() && (out.source_sha256.size() != 64 ||
                                     out.source_sha256.find_first_not_of("0123456789abcdef") != std::string::npos)) {
    reader.fail(digest, {"64 hexadecimal digits in lower case, or ''"});
  }
  out.license = reader.string(root.member("license"));
  out.converter = reader.string(root.member("converter"));
  const json::Field metrics = root.member("metrics");
  if (metrics.value.is(json::Type::object)) {
    out.metrics_json = std::string(metrics.value.text());
  } else if (metrics.value && !metrics.value.is(json::Type::null)) {
    reader.fail(metrics, {"an object or null"});
  }
  return out;
}

/// True when an exponent of all ones, infinity or NaN, is among the floats. A plain reduction, so it vectorises.
bool any_non_finite(const float* values, std::size_t n) {
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    found |= static_cast<std::uint32_t>((bits & 0x7F800000u) == 0x7F800000u);
  }
  return found != 0;
}

std::size_t aligned_size(std::size_t bytes) { return (bytes + k_alignment - 1) / k_alignment * k_alignment; }

/// Counts tensors that are not as they should be and keeps the first message.
struct Problems {
  std::string first;
  std::size_t count = 0;

  void add(std::string_view tensor, std::initializer_list<Piece> expected, const TensorView* got) {
    if (count++ > 0) return;
    const std::string type = got ? join({got->shape, " of ", dtype_name(got->dtype)}) : "nothing";
    first = join({"tensor '", printable(tensor), "': expected ", join(expected), ", got ", type});
  }
};

}  // namespace

Result<std::shared_ptr<const WeightFile>> WeightFile::load(const std::string& path, bool copy) {
  return check(Safetensors::open(path, copy));
}

Result<std::shared_ptr<const WeightFile>> WeightFile::from_memory(const void* data, std::size_t size, bool copy,
                                                                  const std::string& name) {
  return check(Safetensors::from_memory(data, size, copy, name));
}

Result<std::shared_ptr<const WeightFile>> WeightFile::check(Result<Safetensors> source) {
  if (!source.ok()) return source.status();
  const auto file = std::make_shared<WeightFile>();
  file->source_ = std::move(*source);
  if (Status status = file->read_metadata(); !status.ok()) return status;
  return std::shared_ptr<const WeightFile>(file);
}

Status WeightFile::read_metadata() {
  if (!has_metadata(source_, "format", "lemore")) {
    for (const NamedTensor& tensor : source_.tensors())
      if (is_training_name(tensor.name))
        return make_error(StatusCode::invalid_file,
                          {file(), ": tensor '", printable(tensor.name),
                           "': expected the inference form, got a training checkpoint: convert it with "
                           "tools/convert.py"});
    const Status status = metadata_error(source_, "format", "'lemore'", StatusCode::invalid_file);
    return make_error(status.code(), {status.message(), ": if this is a checkpoint, convert it with tools/convert.py"});
  }
  if (!has_metadata(source_, "format_version", "1"))
    return metadata_error(source_, "format_version", "'1'", StatusCode::unsupported);
  const std::string* name = source_.metadata("architecture");
  const graph::Architecture* architecture = name != nullptr ? graph::find_architecture(*name) : nullptr;
  if (architecture == nullptr)
    return metadata_error(source_, "architecture", graph::architecture_names(), StatusCode::unsupported);
  architecture_ = *name;

  const std::string* config = source_.metadata("config");
  if (config == nullptr) return metadata_json(source_, "config").status();
  config_json_ = *config;
  auto network = graph::read_network(*architecture, config_json_, file());
  if (!network.ok()) return network.status();
  network_ = std::move(*network);
  graph::Graph graph;
  network_->describe(graph, network_->input_size());
  if (!graph.status().ok()) return make_error(graph.status(), {file()});
  output_kind_ = graph.output_kind();
  outputs_ = graph.output().c;
  trained_parameters_ = graph.trained_parameters();

  // Every document views the metadata strings, which source_ keeps.
  const Result<json::Document> labels = metadata_json(source_, "labels");
  const Result<json::Document> preprocessing = metadata_json(source_, "preprocessing");
  const Result<json::Document> provenance = metadata_json(source_, "provenance");
  for (const Result<json::Document>* document : {&labels, &preprocessing, &provenance})
    if (!document->ok()) return document->status();
  graph::ConfigReader reader(file());
  labels_ = read_labels(reader, {labels->root(), "labels"}, outputs_);
  preprocessing_ = read_preprocessing(reader, {preprocessing->root(), "preprocessing"}, network_->input_size());
  provenance_ = read_provenance(reader, {provenance->root(), "provenance"});
  if (!reader.ok()) return reader.status();
  return read_tensors(graph.weights());
}

Status WeightFile::read_tensors(const std::vector<graph::Weight>& expected) {
  std::vector<const TensorView*> found;
  std::vector<bool> known(source_.tensors().size());  // which of the file's tensors are expected
  Problems problems;
  std::size_t copy_bytes = 0;
  for (const graph::Weight& tensor : expected) {
    const NamedTensor* named = source_.find_named(tensor.name);
    const TensorView* view = named != nullptr ? &named->view : nullptr;
    if (named != nullptr) known[static_cast<std::size_t>(named - source_.tensors().data())] = true;
    found.push_back(view);
    if (view == nullptr || view->shape != tensor.shape || view->dtype != DType::f32) {
      problems.add(tensor.name, {tensor.shape, " of F32"}, view);
    } else {
      tensor_bytes_ += view->bytes();
      if (!is_aligned(view->data)) copy_bytes += aligned_size(view->bytes());
    }
  }
  for (const NamedTensor& tensor : source_.tensors()) {
    if (known[static_cast<std::size_t>(&tensor - source_.tensors().data())]) continue;
    const bool filler = tensor.name.compare(0, k_filler_prefix.size(), k_filler_prefix) == 0;
    if (filler && tensor.view.dtype == DType::u8) continue;
    problems.add(tensor.name, {filler ? "U8, as fillers are" : "no such tensor for this configuration"}, &tensor.view);
  }
  if (problems.count > 0) {
    const std::size_t more = problems.count - 1;
    const std::string rest = more > 0 ? join({" (and ", more, more > 1 ? " more tensors)" : " more tensor)"}) : "";
    return make_error(StatusCode::invalid_file, {file(), ": ", problems.first, rest});
  }

  if (copy_bytes > 0) {  // at most 64 bytes a tensor beyond the size of the file
    Result<Tensor> block = Tensor::create(DType::u8, {copy_bytes});
    if (!block.ok()) return make_error(block.status(), {file()});
    realigned_ = std::move(*block);
  }
  auto* free_bytes = static_cast<std::uint8_t*>(realigned_.data());
  weights_.reserve(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    TensorView view = *found[i];
    if (!is_aligned(view.data)) {
      std::memcpy(free_bytes, view.data, view.bytes());
      view.data = free_bytes;
      free_bytes += aligned_size(view.bytes());
      copied_bytes_ += view.bytes();
    }
    const std::size_t elements = view.shape.elements();
    if (any_non_finite(view.f32(), elements)) {
      std::size_t at = 0;
      while (at < elements && !any_non_finite(view.f32() + at, 1)) ++at;
      return make_error(StatusCode::invalid_file, {file(), ": tensor '", expected[i].name,
                                                   "': expected finite values, got infinity or NaN at element ", at});
    }
    weights_.push_back(view.f32());
  }
  return {};
}

}  // namespace lemore
