#include "run/writer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "file_io.h"
#include "npy.h"
#include "report.h"

namespace lemore::cli {

namespace {

using Json = nlohmann::ordered_json;

/// Best classes of a classifier that its JSON lists.
constexpr std::size_t k_top_classes = 5;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Three decimals are enough for milliseconds.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json class_shares(const LabelMap& map, const Palette& palette) {
  const ClassPixels counts = count_classes(map);
  const double total = static_cast<double>(map.size.height) * map.size.width;
  Json classes = Json::array();
  for (std::size_t c = 0; c < palette.names.size(); ++c) {
    classes.push_back({{"index", c},
                       {"name", palette.names[c]},
                       {"color", palette.colors[c]},
                       {"pixels", counts[c]},
                       {"share", static_cast<double>(counts[c]) / total}});
  }
  return classes;
}

Json uncertain_share(const LabelMap& map, int label) {
  std::uint64_t pixels = 0;
  for (int y = 0; y < map.size.height; ++y)
    for (int x = 0; x < map.size.width; ++x) pixels += map.is_certain(y, x) ? 0 : 1;
  const double total = static_cast<double>(map.size.height) * map.size.width;
  return {{"below", map.min_confidence},
          {"pixels", pixels},
          {"share", static_cast<double>(pixels) / total},
          {"label", label >= 0 ? Json(label) : Json()}};
}

/// The most probable classes and their softmax probabilities.
Json top_classes(const std::vector<float>& logits, const Palette& palette) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t count = std::min(k_top_classes, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [&](std::size_t a, std::size_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - static_cast<double>(logits[order[0]]));
  Json top = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t c = order[i];
    top.push_back(
        {{"index", c},
         {"name", c < palette.names.size() ? palette.names[c] : std::string()},
         {"probability", std::exp(static_cast<double>(logits[c]) - static_cast<double>(logits[order[0]])) / sum}});
  }
  return top;
}

}  // namespace

LabelMap Writer::label_map(const Job& job) const {
  LabelMap map{job.image.size, job.labels.data()};
  if (options_.min_confidence <= 0) return map;
  map.confidence = job.confidence.data();
  map.min_confidence = static_cast<float>(options_.min_confidence);
  return map;
}

void Writer::encode_json(Job& job, const std::string& input) const {
  const Provenance& provenance = model_.provenance();
  const Size network = model_.input_size();
  Json json = {
      {"image",
       {{"file", input},
        {"format", job.format},
        {"bytes", job.file_bytes},
        {"width", job.image.size.width},
        {"height", job.image.size.height}}},
      {"model",
       {{"file", options_.model_file},
        {"bytes", options_.model_bytes},
        {"architecture", model_.architecture()},
        {"labels", model_.labels_name()},
        {"input_size", {network.height, network.width}},
        {"source_sha256", provenance.source_sha256}}},
      {"mode", mode_name(options_.mode)},
      {"isa", isa_name(options_.isa)},
      {"threads", options_.threads},
  };
  if (!job.image.warning.empty()) json["image"]["warning"] = job.image.warning;
  if (model_.is_classifier()) {
    json["top"] = top_classes(job.logits, palette_);
  } else {
    json["classes"] = class_shares(label_map(job), palette_);
    if (options_.min_confidence > 0) json["uncertain"] = uncertain_share(label_map(job), options_.uncertain_label);
  }
  json["times_ms"] = {{"decode", rounded(job.times.decode)},
                      {"prepare", rounded(job.times.prepare)},
                      {"network", rounded(job.times.network)},
                      {"labels", rounded(job.times.labels)},
                      {"encode", rounded(job.times.encode)}};
  // File names may hold bytes that are not UTF-8; they are replaced rather than refused.
  const std::string text = json_text(json);
  job.encoded.assign(text.begin(), text.end());
}

Status Writer::encode(Job& job, OutputKind kind, PictureFile file) const {
  const LabelMap map = label_map(job);
  switch (kind) {
    case OutputKind::labels:
      return encode_labels(map, palette_, job.encoded);
    case OutputKind::overlay: {
      if (options_.legend == nullptr)
        return encode_overlay(job.image, map, palette_, options_.overlay, nullptr, job.encoded, file);
      const Canvas legend = make_legend(map, palette_, map.size.width, *options_.legend);
      return encode_overlay(job.image, map, palette_, options_.overlay, &legend, job.encoded, file);
    }
    case OutputKind::color:
      return encode_color(map, palette_, job.encoded, file);
    case OutputKind::confidence:
      return encode_confidence(job.image.size, job.confidence.data(), job.encoded);
    case OutputKind::npy:
      write_npy(job.logits_shape, job.logits.data(), job.encoded);
      return Status();
    case OutputKind::json:
      break;
  }
  return Status();
}

Status Writer::write(Job& job, const std::string& input, const OutputNames& names, const std::string& stem) const {
  const auto start = std::chrono::steady_clock::now();
  if (options_.uncertain_label >= 0) {
    const LabelMap map = label_map(job);
    std::uint8_t* label = job.labels.data();
    for (int y = 0; y < map.size.height; ++y)
      for (int x = 0; x < map.size.width; ++x, ++label)
        if (!map.is_certain(y, x)) *label = static_cast<std::uint8_t>(options_.uncertain_label);
  }
  std::vector<OutputKind> kinds = options_.kinds.list();
  // The JSON comes last: it holds the time the others took.
  std::stable_partition(kinds.begin(), kinds.end(), [](OutputKind k) { return k != OutputKind::json; });
  for (const OutputKind kind : kinds) {
    if (kind == OutputKind::json) {
      job.times.encode = milliseconds_since(start);
      encode_json(job, input);
    } else if (const Status status = encode(job, kind, names.is_jpeg(kind) ? PictureFile::jpeg : PictureFile::png);
               !status.ok()) {
      return about(input, status);
    }
    const Status status = names.is_stdout()
                              ? write_stdout(job.encoded.data(), job.encoded.size())
                              : write_file_atomic(names.path(stem, kind), job.encoded.data(), job.encoded.size());
    if (!status.ok()) return status;
  }
  job.times.encode = milliseconds_since(start);
  return Status();
}

}  // namespace lemore::cli
