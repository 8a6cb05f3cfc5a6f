#include "weights/weight_file.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "core/json.h"
#include "core/text.h"

namespace lemore {
namespace {

constexpr const char* k_format = "lemore";
constexpr const char* k_version = "1";
constexpr const char* k_architecture = "lemore";
constexpr std::size_t k_panel = 16;  ///< columns of a panel, as kernels/ops/gemm.h has it

Shape panels(int in_c, int out_c) {
  return {(static_cast<std::size_t>(out_c) + k_panel - 1) / k_panel, static_cast<std::size_t>(in_c), k_panel};
}

ExpectedTensor weight_of(const LayerSpec& layer) {
  const auto extent = [](int n) { return static_cast<std::size_t>(n); };
  ExpectedTensor tensor{layer.name + ".weight", {}, Layout::plain};
  switch (layer.kind) {
    case LayerSpec::Kind::stem:
    case LayerSpec::Kind::pointwise:
      tensor.shape = panels(layer.in_c * layer.kh * layer.kw, layer.out_c);
      tensor.layout = Layout::packed_p16;
      break;
    case LayerSpec::Kind::depthwise:
      tensor.shape = {extent(layer.kh), extent(layer.kw), extent(layer.out_c)};
      break;
    case LayerSpec::Kind::norm:
      tensor.shape = {extent(layer.out_c)};
      break;
    case LayerSpec::Kind::axis:
      tensor.shape = {extent(layer.out_c), extent(layer.in_c)};
      break;
  }
  return tensor;
}

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

/// The metadata `key` must be `expected`.
Status expect_metadata(const Safetensors& source, const char* key, const char* expected, StatusCode code) {
  const std::string* value = source.metadata(key);
  if (value != nullptr && *value == expected) return {};
  const std::string got = value ? join({"'", printable(*value), "'"}) : "nothing";
  return make_error(code, {source.file(), ": metadata '", key, "': expected '", expected, "', got ", got});
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

void expect_string(json::FieldReader& reader, const json::Field& field, const char* expected) {
  if (field.value.string() != std::string_view(expected)) reader.fail(field, {"'", expected, "'"});
}

Preprocessing read_preprocessing(json::FieldReader& reader, const json::Field& root) {
  Preprocessing out;
  if (!reader.object(root, {"channel_order", "mean", "std", "resize", "label_map"})) return out;
  expect_string(reader, root.member("channel_order"), "rgb");
  expect_string(reader, root.member("resize"), "bilinear");
  out.mean = read_triple(reader, root.member("mean"), -1e6, 1e6);
  out.std = read_triple(reader, root.member("std"), 1e-6, 1e6);
  const json::Field rule = root.member("label_map");
  if (rule.value.string() == std::string_view("two_step")) {
    out.label_map = LabelMapRule::two_step;
  } else if (rule.value.string() != std::string_view("direct")) {
    reader.fail(rule, {"'direct' or 'two_step'"});
  }
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

std::vector<ExpectedTensor> inference_tensors(const LemoreConfig& config) {
  std::vector<ExpectedTensor> out;
  for (const LayerSpec& layer : lemore_layers(config)) {
    out.push_back(weight_of(layer));
    if (layer.has_bias) out.push_back({layer.name + ".bias", {static_cast<std::size_t>(layer.out_c)}, Layout::plain});
  }
  return out;
}

Result<WeightFile> WeightFile::load(const std::string& path, bool copy) { return check(Safetensors::open(path, copy)); }

Result<WeightFile> WeightFile::from_memory(const void* data, std::size_t size, bool copy, const std::string& name) {
  return check(Safetensors::from_memory(data, size, copy, name));
}

Result<WeightFile> WeightFile::check(Result<Safetensors> source) {
  if (!source.ok()) return source.status();
  WeightFile file;
  file.source_ = std::move(*source);
  if (Status status = file.read_metadata(); !status.ok()) return status;
  if (Status status = file.read_tensors(); !status.ok()) return status;
  return file;
}

Status WeightFile::read_metadata() {
  const auto training = std::find_if(source_.tensors().begin(), source_.tensors().end(),
                                     [](const NamedTensor& tensor) { return is_training_name(tensor.name); });
  if (training != source_.tensors().end()) {
    return make_error(StatusCode::invalid_file,
                      {file(), ": tensor '", printable(training->name),
                       "': expected the inference form, got a training checkpoint: convert it with tools/convert.py"});
  }
  if (Status status = expect_metadata(source_, "format", k_format, StatusCode::invalid_file); !status.ok()) {
    return make_error(status.code(), {status.message(), ": if this is a checkpoint, convert it with tools/convert.py"});
  }
  Status status = expect_metadata(source_, "format_version", k_version, StatusCode::unsupported);
  if (!status.ok()) return status;
  status = expect_metadata(source_, "architecture", k_architecture, StatusCode::unsupported);
  if (!status.ok()) return status;
  architecture_ = k_architecture;

  // Every document views the metadata strings, which source_ keeps.
  const Result<json::Document> labels = metadata_json(source_, "labels");
  const Result<json::Document> preprocessing = metadata_json(source_, "preprocessing");
  const Result<json::Document> provenance = metadata_json(source_, "provenance");
  const std::string* config_text = source_.metadata("config");
  if (config_text == nullptr) return metadata_json(source_, "config").status();
  Result<LemoreConfig> config = parse_lemore_config(*config_text, file());
  if (!config.ok()) return config.status();
  config_ = std::move(*config);
  config_json_ = *config_text;
  for (const Result<json::Document>* document : {&labels, &preprocessing, &provenance}) {
    if (!document->ok()) return document->status();
  }
  json::FieldReader reader(file());
  labels_ = read_labels(reader, {labels->root(), "labels"}, static_cast<std::size_t>(config_.outputs()));
  preprocessing_ = read_preprocessing(reader, {preprocessing->root(), "preprocessing"});
  provenance_ = read_provenance(reader, {provenance->root(), "provenance"});
  return reader.status();
}

Status WeightFile::read_tensors() {
  const std::vector<ExpectedTensor> expected = inference_tensors(config_);
  std::vector<const TensorView*> found;
  Problems problems;
  std::size_t copy_bytes = 0;
  for (const ExpectedTensor& tensor : expected) {
    const TensorView* view = source_.find(tensor.name);
    found.push_back(view);
    if (view == nullptr || view->shape != tensor.shape || view->dtype != DType::f32) {
      problems.add(tensor.name, {tensor.shape, " of F32"}, view);
    } else {
      tensor_bytes_ += view->bytes();
      if (!is_aligned(view->data)) copy_bytes += aligned_size(view->bytes());
    }
  }
  by_name_.resize(expected.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return expected[a].name < expected[b].name; });
  auto known = by_name_.begin();  // both lists are sorted by name: one walk finds what is in the file only
  for (const NamedTensor& tensor : source_.tensors()) {
    while (known != by_name_.end() && expected[*known].name < tensor.name) ++known;
    if (known != by_name_.end() && expected[*known].name == tensor.name) continue;
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
  tensors_.reserve(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    TensorView view = *found[i];
    view.layout = expected[i].layout;
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
    tensors_.push_back({expected[i].name, view});
  }
  return {};
}

const TensorView* WeightFile::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [&](std::uint32_t i, std::string_view key) { return tensors_[i].name < key; });
  return at != by_name_.end() && tensors_[*at].name == name ? &tensors_[*at].view : nullptr;
}

const float* WeightFile::find_f32(std::string_view name) const noexcept {
  const TensorView* view = find(name);
  return view ? view->f32() : nullptr;
}

}  // namespace lemore
