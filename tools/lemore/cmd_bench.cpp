#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/peak.h"
#include "bench/workload.h"
#include "file_io.h"
#include "image_io/decode.h"
#include "lemore/session.h"
#include "options.h"
#include "report.h"

namespace lemore::cli {

namespace {

using Json = nlohmann::ordered_json;

struct BenchOptions : NetworkOptions {
  std::string image, output = "logits";
  int runs = 20, warmup = 3;
};

/// Rows of the list of the slowest steps.
constexpr std::size_t k_slowest = 10;

constexpr const char* k_bench_examples = R"(Examples:
  lemore bench -m weights/lemore-camvid.safetensors                     the network at the size it was trained for
  lemore bench -m MODEL --size 512x512 --output labels -t 2             to the label map, on two threads
  lemore bench -m MODEL --size 512x512 -t 1 --layers                    every step, and the ten slowest
  lemore bench -m MODEL --output image street.jpg --runs 50 --json      from a file's bytes to an overlay's

What a run begins and ends with (--output), all of it in memory:
  logits   a float tensor at the network's input size -> logits
  labels   the same tensor -> the label map at the network's input size
  image    the bytes of an image file -> the bytes of an overlay PNG: decode, resize, network, label map, encode

How to read the result: median, min and p95 (19 of 20 runs were faster) are of --runs runs after --warmup others; look
at the median, and at min where the machine was busy. loading is reading the weight file, planning is making the
session; neither is part of a run. GFLOP/s counts two operations for each MAC of the network (as `lemore info` counts
them) over the whole run. The peak is measured first, on as many threads: multiply-adds of that instruction set in
registers, so nothing can be faster than 100 % of it. Convolutions with few channels are held up by memory and stay far
below.
docs/json.md describes the keys that --json prints.)";

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

struct Statistics {
  double median = 0, min = 0, p95 = 0;
};

/// p95 by nearest rank. Requires at least one value.
Statistics statistics(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(n)));
  return {(values[(n - 1) / 2] + values[n / 2]) / 2, values.front(), values[rank - 1]};
}

/// A row of the table of layers: a step of the network, or a phase around it.
struct Layer {
  StepInfo info;
  double median_ms = 0, share = 0, gflops = 0;
};

struct Measured {
  double load_ms = 0, session_ms = 0;
  Statistics total;
  std::uint64_t macs = 0;
  double gflops = 0, peak_gflops = 0;
  std::vector<Layer> phases, layers;
};

double gflops_of(std::uint64_t macs, double ms) { return ms > 0 ? 2.0 * static_cast<double>(macs) / (ms * 1e6) : 0.0; }

Layer layer_of(StepInfo info, std::vector<double> times, double total_ms) {
  Layer layer;
  layer.median_ms = statistics(std::move(times)).median;
  layer.share = total_ms > 0 ? layer.median_ms / total_ms : 0;
  layer.gflops = gflops_of(info.macs, layer.median_ms);
  layer.info = std::move(info);
  return layer;
}

Status measure(const BenchOptions& options, Session& session, Workload& workload, Measured& measured) {
  for (int i = 0; i < options.warmup; ++i) {
    if (Status status = workload.run(); !status.ok()) return status;
  }
  session.set_profiling(options.layers);
  std::vector<double> totals;
  std::vector<std::vector<double>> step_times(session.steps().size()), phase_times;
  for (int i = 0; i < options.runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (Status status = workload.run(); !status.ok()) return status;
    totals.push_back(milliseconds_since(start));
    if (options.layers) {
      for (std::size_t s = 0; s < step_times.size(); ++s) {
        step_times[s].push_back(session.last_times()[s].milliseconds);
      }
    }
    phase_times.resize(workload.phases().size());
    for (std::size_t p = 0; p < phase_times.size(); ++p) phase_times[p].push_back(workload.phases()[p].milliseconds);
  }
  measured.total = statistics(std::move(totals));
  measured.gflops = gflops_of(measured.macs, measured.total.median);
  for (std::size_t p = 0; p < phase_times.size(); ++p) {
    StepInfo info;
    info.name = info.op = workload.phases()[p].name;
    measured.phases.push_back(layer_of(info, std::move(phase_times[p]), measured.total.median));
  }
  for (std::size_t s = 0; options.layers && s < step_times.size(); ++s) {
    measured.layers.push_back(layer_of(session.steps()[s], std::move(step_times[s]), measured.total.median));
  }
  return Status();
}

Json as_json(const BenchOptions& options, const Session& session, const Workload& workload, const Measured& m) {
  Json json = {{"file", options.model},
               {"output", options.output},
               {"size", {session.size().height, session.size().width}},
               {"isa", isa_name(session.isa())},
               {"threads", session.threads()},
               {"runs", options.runs},
               {"warmup", options.warmup},
               {"median_ms", m.total.median},
               {"min_ms", m.total.min},
               {"p95_ms", m.total.p95},
               {"macs", m.macs},
               {"gflops", m.gflops},
               {"peak_gflops", m.peak_gflops},
               {"peak_fraction", m.gflops / m.peak_gflops},
               {"arena_bytes", session.arena_bytes()},
               {"weight_bytes", session.model().weight_bytes()},
               {"load_ms", m.load_ms},
               {"session_ms", m.session_ms}};
  if (options.output == "image") {
    json["image"] = {{"file", options.image.empty() ? Json() : Json(options.image)},
                     {"bytes", workload.file_bytes()},
                     {"height", workload.image_size().height},
                     {"width", workload.image_size().width}};
  }
  Json phases = Json::object();
  for (const Layer& phase : m.phases) phases[phase.info.name] = phase.median_ms;
  json["phases_ms"] = phases;
  if (!options.layers) return json;
  Json layers = Json::array();
  for (const Layer& layer : m.layers) {
    Json output = Json::array();
    for (int i = 0; i < layer.info.output.rank(); ++i) output.push_back(layer.info.output[i]);
    layers.push_back({{"name", layer.info.name},
                      {"op", layer.info.op},
                      {"output", output},
                      {"median_ms", layer.median_ms},
                      {"share", layer.share},
                      {"macs", layer.info.macs},
                      {"counted", layer.info.counted},
                      {"gflops", layer.gflops},
                      {"peak_fraction", layer.gflops / m.peak_gflops}});
  }
  json["layers"] = layers;
  return json;
}

/// One line a step, those around the network with their place in the run: what comes before it first.
std::string layer_table(const Measured& m) {
  std::vector<const Layer*> rows;
  for (const Layer& phase : m.phases) {
    if (phase.info.name != "network") {
      rows.push_back(&phase);
      continue;
    }
    for (const Layer& layer : m.layers) rows.push_back(&layer);
  }
  std::size_t name_width = 4, op_width = 8, shape_width = 6;
  const auto shape_of = [](const Layer& layer) {
    return layer.info.output.rank() > 0 ? layer.info.output.to_string() : std::string();
  };
  for (const Layer* row : rows) {
    name_width = std::max(name_width, row->info.name.size());
    op_width = std::max(op_width, row->info.op.size());
    shape_width = std::max(shape_width, shape_of(*row).size());
  }
  name_width += 2, op_width += 2, shape_width += 2;
  std::string text = padded("step", name_width) + padded("operator", op_width) + padded("output", shape_width) +
                     "       ms   share         MACs  GFLOP/s  of peak\n";
  for (const Layer* row : rows) {
    char line[96];
    const int n = std::snprintf(line, sizeof(line), "%9.3f  %4.1f %%", row->median_ms, 100 * row->share);
    if (row->info.macs > 0) {
      std::snprintf(line + n, sizeof(line) - static_cast<std::size_t>(n), "  %11s  %7.1f  %5.1f %%",
                    with_commas(row->info.macs).c_str(), row->gflops, 100 * row->gflops / m.peak_gflops);
    }
    text += padded(row->info.name, name_width) + padded(row->info.op, op_width) + padded(shape_of(*row), shape_width) +
            line + "\n";
  }
  return text;
}

/// The steps that take most of a run, the slowest first, with what they take together.
std::string slowest_steps(const Measured& m) {
  std::vector<const Layer*> rows;
  for (const Layer& layer : m.layers) rows.push_back(&layer);
  for (const Layer& phase : m.phases)
    if (phase.info.name != "network") rows.push_back(&phase);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Layer* a, const Layer* b) { return a->median_ms > b->median_ms; });
  rows.resize(std::min(rows.size(), k_slowest));
  double share = 0;
  std::size_t name_width = 0;
  for (const Layer* row : rows) {
    share += row->share;
    name_width = std::max(name_width, row->info.name.size());
  }
  char line[96];
  std::snprintf(line, sizeof(line), "the %zu slowest steps take %.1f %% of a run\n", rows.size(), 100 * share);
  std::string text = line;
  for (const Layer* row : rows) {
    const int n = std::snprintf(line, sizeof(line), "%9.3f ms  %4.1f %%", row->median_ms, 100 * row->share);
    if (row->info.macs > 0) {
      std::snprintf(line + n, sizeof(line) - static_cast<std::size_t>(n), "  %5.1f %% of the peak",
                    100 * row->gflops / m.peak_gflops);
    }
    text += padded(row->info.name, name_width) + line + "\n";
  }
  return text;
}

std::string as_text(const BenchOptions& options, const Session& session, const Workload& workload, const Measured& m) {
  char line[256];
  std::string text = one_line(options.model) + ", " + to_text(session.size()) + ", " + options.output + ", " +
                     isa_name(session.isa()) + ", " + thread_count(session.threads()) + "\n";
  std::snprintf(line, sizeof(line), "median   %.3f ms of %d runs after %d (min %.3f, p95 %.3f)\n", m.total.median,
                options.runs, options.warmup, m.total.min, m.total.p95);
  text += line;
  std::snprintf(line, sizeof(line), "MACs     %s: %.1f GFLOP/s, %.1f %% of the peak of %.1f\n",
                with_commas(m.macs).c_str(), m.gflops, 100 * m.gflops / m.peak_gflops, m.peak_gflops);
  text += line;
  std::snprintf(line, sizeof(line), "arena    %s bytes; weights %s bytes\n", with_commas(session.arena_bytes()).c_str(),
                with_commas(session.model().weight_bytes()).c_str());
  text += line;
  std::snprintf(line, sizeof(line), "loading  %.3f ms, planning %.3f ms\n", m.load_ms, m.session_ms);
  text += line;
  if (options.output == "image") {
    text += "image    " + (options.image.empty() ? "drawn PNG" : one_line(options.image)) + ", " +
            to_text(workload.image_size()) + ", " + with_commas(workload.file_bytes()) + " bytes\n";
  }
  text += "phases  ";
  for (const Layer& phase : m.phases) {
    std::snprintf(line, sizeof(line), " %s %.3f ms%s", phase.info.name.c_str(), phase.median_ms,
                  &phase == &m.phases.back() ? "\n" : ",");
    text += line;
  }
  if (options.layers) text += "\n" + layer_table(m) + "\n" + slowest_steps(m);
  return text;
}

int bench(const BenchOptions& options) {
  const BenchOutput output = options.output == "logits"   ? BenchOutput::logits
                             : options.output == "labels" ? BenchOutput::labels
                                                          : BenchOutput::image;
  if (!options.image.empty() && output != BenchOutput::image)
    return fail_usage("IMAGE goes with --output image, got --output " + options.output);
  const Result<SessionOptions> chosen = session_options(options);
  if (!chosen.ok()) return fail_option(chosen.status());
  std::vector<std::uint8_t> file;
  if (!options.image.empty()) {
    const Status status = read_file(options.image, file, k_max_image_file_bytes);
    if (!status.ok()) return fail(status);
    if (file.empty()) return fail(Status(StatusCode::invalid_file, options.image + ": the file is empty"));
  }

  Measured measured;
  auto start = std::chrono::steady_clock::now();
  Result<Model> model = load_model(options.model, {}, "IMAGE");
  if (!model.ok()) return fail(model.status());
  measured.load_ms = milliseconds_since(start);
  if (output != BenchOutput::logits && model->is_classifier())
    return fail_usage("--output " + options.output + ": " + options.model +
                      " is a classifier, which gives logits only");
  start = std::chrono::steady_clock::now();
  Result<Session> session = Session::create(*model, *chosen);
  if (!session.ok()) return fail(about(options.model, session.status()));
  measured.session_ms = milliseconds_since(start);
  const Result<std::uint64_t> macs = model->macs(session->size());
  if (!macs.ok()) return fail(about(options.model, macs.status()));
  measured.macs = *macs;
  Result<Workload> workload = Workload::create(*session, output, std::move(file));
  const std::string& about_what = options.image.empty() ? options.model : options.image;
  if (!workload.ok()) return fail(about(about_what, workload.status()));

  measured.peak_gflops = peak_flops(session->isa(), session->threads()) / 1e9;
  if (const Status status = measure(options, *session, *workload, measured); !status.ok())
    return fail(about(about_what, status));

  const std::string text = options.json ? json_text(as_json(options, *session, *workload, measured))
                                        : as_text(options, *session, *workload, measured);
  if (!workload->image_warning().empty()) print_warning(options.image, workload->image_warning());
  const Status status = write_stdout(text);
  return status.ok() ? k_exit_ok : fail(status);
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "How fast the network runs here, as a whole and step by step");
  command->footer(k_bench_examples);
  command->add_option("-m,--model", options->model, "Weight file (.safetensors)")->required()->type_name("MODEL");
  command->add_option("IMAGE", options->image, "Image file for --output image; default: a picture drawn in memory")
      ->type_name("");
  choose_from(
      *command
           ->add_option("--output", options->output, "What a run ends with: logits, labels or image; default: logits")
           ->type_name("WHAT"),
      "logits labels image");
  command->add_option("--runs", options->runs, "Runs to measure; default: 20")
      ->check(between(1, 1000000))
      ->type_name("N");
  command->add_option("--warmup", options->warmup, "Runs before those, to warm up; default: 3")
      ->check(between(0, 1000000))
      ->type_name("N");
  add_network_options(*command, *options, "Time every step of the network; list all, and the ten slowest");
  command->callback([options, &exit_code] { exit_code = bench(*options); });
}

}  // namespace lemore::cli
