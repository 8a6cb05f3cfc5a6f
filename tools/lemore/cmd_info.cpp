#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "lemore/segmenter.h"
#include "options.h"
#include "readable_json.h"
#include "report.h"

namespace lemore::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* k_info_examples = R"(Examples:
  lemore info weights/lemore-camvid.safetensors
  lemore info model.safetensors --size 512x1024 --layers
  lemore info model.safetensors --json | jq .macs

Parameters are those that training learns (BatchNorm weight and bias included). MACs are multiply-accumulates of
convolutions and linear layers at the given size, as papers count them; --layers shows in brackets those that papers
leave out. The arena is all the memory a session of that size and number of threads needs beside the weights.
docs/json.md describes the keys that --json prints.)";

/// The text as JSON, or as a string where it is none.
Json parsed(const std::string& text) {
  if (text.empty()) return Json();
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(text) : json;
}

Json extents(const Shape& shape) {
  Json list = Json::array();
  for (int i = 0; i < shape.rank(); ++i) list.push_back(shape[i]);
  return list;
}

/// [height, width].
Json pair_of(Size size) { return Json::array({size.height, size.width}); }

std::string megabytes(std::size_t bytes) {
  char text[64];
  std::snprintf(text, sizeof(text), "%s bytes (%.2f MB)", with_commas(bytes).c_str(), static_cast<double>(bytes) / 1e6);
  return text;
}

/// The size that an image is resized to, for people.
std::string size_rule_text(const Preprocessing& p, Size input) {
  std::string text = p.size_rule == SizeRule::exact ? "to " + to_text(input)
                     : p.size_rule == SizeRule::native
                         ? "own size"
                         : "to fit " + std::to_string(p.fit_long) + " x " + std::to_string(p.fit_short);
  if (p.divisor > 1) text += ", sides multiples of " + std::to_string(p.divisor);
  if (p.slide) text += ", windows of " + to_text(input) + " every " + to_text(p.stride);
  return text;
}

Json as_json(const NetworkOptions& options, const Model& model, const Session& session, std::uint64_t macs) {
  const Preprocessing& pre = model.preprocessing();
  const Provenance& from = model.provenance();
  Json classes = Json::array();
  for (const ClassInfo& c : model.classes()) {
    classes.push_back({{"index", classes.size()}, {"name", c.name}, {"color", c.color}});
  }
  Json json = {
      {"file", options.model},
      {"architecture", model.architecture()},
      {"classifier", model.is_classifier()},
      {"parameters", model.trained_parameters()},
      {"macs", macs},
      {"arena_bytes", session.arena_bytes()},
      {"weight_bytes", model.weight_bytes()},
      {"size", pair_of(session.size())},
      {"input_size", pair_of(model.input_size())},
      {"min_side", model.min_side()},
      {"num_classes", model.classes().size()},
      {"classes", classes},
      {"labels", model.labels_name()},
      {"ignore_label", model.ignore_label()},
      {"annotation_offset", model.annotation_offset()},
      {"preprocessing",
       {{"channel_order", "rgb"},
        {"mean", pre.mean},
        {"std", pre.std},
        {"resize", name_of(pre.resize)},
        {"size_rule", name_of(pre.size_rule)},
        {"fit", pre.size_rule == SizeRule::fit ? Json::array({pre.fit_long, pre.fit_short}) : Json()},
        {"divisor", pre.divisor},
        {"mode", mode_name(tested_mode(model))},
        {"window", pre.slide ? pair_of(model.input_size()) : Json()},
        {"stride", pre.slide ? pair_of(pre.stride) : Json()},
        {"label_map", name_of(pre.label_map)}}},
      {"provenance",
       {{"source", from.source},
        {"source_sha256", from.source_sha256},
        {"license", from.license},
        {"converter", from.converter},
        {"metrics", parsed(from.metrics_json)}}},
      {"config", parsed(model.config_json())},
      {"isa", isa_name(session.isa())},
      {"threads", session.threads()},
      {"steps", session.steps().size()},
  };
  if (options.layers) {
    Json layers = Json::array();
    for (const StepInfo& step : session.steps()) {
      layers.push_back({{"name", step.name},
                        {"op", step.op},
                        {"output", extents(step.output)},
                        {"macs", step.macs},
                        {"counted", step.counted}});
    }
    json["layers"] = layers;
  }
  return json;
}

void add_line(std::string& text, const char* key, const std::string& value) {
  if (value.empty()) return;
  char line[64];
  std::snprintf(line, sizeof(line), "%-15s ", key);
  text += line + one_line(value) + "\n";
}

/// A heading and, below it, what the JSON says.
void add_json(std::string& text, const char* heading, const std::string& json) {
  if (!json.empty()) text += std::string(heading) + "\n" + readable_json(parsed(json), 2);
}

/// The layers as a table; MACs that the paper does not count (attention's products) stand in brackets.
std::string layer_table(const std::vector<StepInfo>& steps, std::uint64_t macs) {
  std::size_t name_width = 5, op_width = 2, shape_width = 6;
  for (const StepInfo& step : steps) {
    name_width = std::max(name_width, step.name.size());
    op_width = std::max(op_width, step.op.size());
    shape_width = std::max(shape_width, step.output.to_string().size());
  }
  const auto row = [&](const std::string& name, const std::string& op, const std::string& shape,
                       const std::string& count, const std::string& share) {
    std::string line = name + std::string(name_width - name.size() + 2, ' ') + op +
                       std::string(op_width - op.size() + 2, ' ') + shape +
                       std::string(shape_width - shape.size() + 2, ' ');
    char tail[64];
    std::snprintf(tail, sizeof(tail), "%15s  %6s\n", count.c_str(), share.c_str());
    return line + tail;
  };
  std::string text = row("layer", "op", "output", "MACs", "share");
  for (const StepInfo& step : steps) {
    char share[32] = "";
    if (step.counted && step.macs > 0 && macs > 0) {
      std::snprintf(share, sizeof(share), "%.1f %%",
                    100.0 * static_cast<double>(step.macs) / static_cast<double>(macs));
    }
    const std::string count = step.macs == 0 ? ""
                              : step.counted ? with_commas(step.macs)
                                             : "(" + with_commas(step.macs) + ")";
    text += row(step.name, step.op, step.output.to_string(), count, share);
  }
  return text;
}

std::string as_text(const NetworkOptions& options, const Model& model, const Session& session, std::uint64_t macs) {
  const Preprocessing& pre = model.preprocessing();
  const Provenance& from = model.provenance();
  char line[256];
  std::string text;
  add_line(text, "file", options.model);
  add_line(text, "architecture", model.architecture() + (model.is_classifier() ? " (classifier)" : ""));
  std::snprintf(line, sizeof(line), "%s (%.2f M)", with_commas(model.trained_parameters()).c_str(),
                static_cast<double>(model.trained_parameters()) / 1e6);
  add_line(text, "parameters", line);
  std::snprintf(line, sizeof(line), "%s (%.2f G) at %s", with_commas(macs).c_str(), static_cast<double>(macs) / 1e9,
                to_text(session.size()).c_str());
  add_line(text, "MACs", line);
  std::snprintf(line, sizeof(line), "%s at %s, %s, %s", megabytes(session.arena_bytes()).c_str(),
                to_text(session.size()).c_str(), thread_count(session.threads()).c_str(), isa_name(session.isa()));
  add_line(text, "arena", line);
  add_line(text, "weights", megabytes(model.weight_bytes()));
  add_line(text, "trained for",
           to_text(model.input_size()) + ", runs from " + std::to_string(model.min_side()) + " a side");
  std::string classes;
  for (const ClassInfo& c : model.classes()) classes += (classes.empty() ? "" : ", ") + c.name;
  add_line(text, "classes", std::to_string(model.classes().size()) + ": " + classes);
  add_line(text, "labels", model.labels_name());
  std::snprintf(line, sizeof(line), "RGB, mean %g %g %g, std %g %g %g, %s %s; label map %s",
                static_cast<double>(pre.mean[0]), static_cast<double>(pre.mean[1]), static_cast<double>(pre.mean[2]),
                static_cast<double>(pre.std[0]), static_cast<double>(pre.std[1]), static_cast<double>(pre.std[2]),
                name_of(pre.resize), size_rule_text(pre, model.input_size()).c_str(), name_of(pre.label_map));
  add_line(text, "preprocessing", line);
  add_line(text, "annotations",
           "ignore label " + std::to_string(model.ignore_label()) + ", class offset " +
               std::to_string(model.annotation_offset()));
  add_line(text, "source", from.source);
  add_line(text, "source sha256", from.source_sha256);
  add_line(text, "licence", from.license);
  add_line(text, "converter", from.converter);
  add_json(text, "metrics", from.metrics_json);
  add_json(text, "configuration", model.config_json());
  if (options.layers) text += "\n" + layer_table(session.steps(), macs);
  return text;
}

int info(const NetworkOptions& options) {
  const Result<SessionOptions> chosen = session_options(options);
  if (!chosen.ok()) return fail_option(chosen.status());
  Result<Model> model = load_model(options.model);
  if (!model.ok()) return fail(model.status());
  Result<Session> session = Session::create(*model, *chosen);
  if (!session.ok()) return fail(about(options.model, session.status()));
  const Result<std::uint64_t> macs = model->macs(session->size());
  if (!macs.ok()) return fail(about(options.model, macs.status()));

  const std::string text =
      options.json ? json_text(as_json(options, *model, *session, *macs)) : as_text(options, *model, *session, *macs);
  const Status status = write_stdout(text);
  return status.ok() ? k_exit_ok : fail(status);
}

}  // namespace

void add_info_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<NetworkOptions>();
  CLI::App* command = app.add_subcommand("info", "What a weight file holds and what it costs to run");
  command->footer(k_info_examples);
  command->add_option("MODEL", options->model, "Weight file (.safetensors)")->required()->type_name("");
  add_network_options(*command, *options, "List the steps as they are run");
  command->callback([options, &exit_code] { exit_code = info(*options); });
}

}  // namespace lemore::cli
