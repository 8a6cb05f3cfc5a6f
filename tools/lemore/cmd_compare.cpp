#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lemore/session.h"
#include "options.h"
#include "reference_dump.h"
#include "report.h"
#include "stage_compare.h"
#include "suggest.h"

namespace lemore::cli {

namespace {

struct CompareOptions {
  std::string model, reference;
  double rtol = 1e-4;
  bool free_running = false, json = false;
  ComputeOptions compute;
};

constexpr const char* k_compare_examples = R"(Examples:
  lemore compare -m model.safetensors --reference dump.safetensors
  lemore compare -m model.safetensors --reference dump.safetensors --rtol 1e-5 --isa avx2 -t 2 --json

The dump is what a PyTorch run of the same network recorded (tools/dump_reference.py writes one): the tensor `input`
(float32, 1x3xHxW, normalised), `output`, and the tensors between them under `out.NAME`. Any of them may be missing.

Each recorded tensor is one row. The network is run twice on `input`:
  max abs, relative, cosine   first run. As soon as a recorded tensor is computed it is compared with the recording and
                              then replaced by it, so each row shows the error of its own part of the network alone.
                              relative is the largest difference over the largest value of the recording; it is what
                              --rtol is held against.
  accumulated                 second run, in which nothing is replaced: the relative difference that has built up from
                              the input to here. Attention amplifies rounding, so it is shown but not judged.
                              --free-running judges it, and shows this run in the other columns too.
`label agreement` is the share of pixels of the second run's label map, at the input's size, that equal the recording's
(of a classifier: whether the best class is the same). docs/json.md describes the keys that --json prints.
Exit code: 0 every row is within --rtol; 1 one is not, or something failed; 2 wrong usage.)";

/// One recorded tensor and what the two runs made of it.
struct StageResult {
  std::string name;
  const TensorView* reference = nullptr;
  std::size_t channels = 0, pixels = 0;
  bool was_seen = false;
  Difference judged, accumulated;
  bool passed = false;
};

struct Observation {
  std::vector<StageResult>* stages;
  bool replaces;  ///< in the first run: each recorded tensor replaces the computed one
  Status status;
};

/// Channels and pixels of a stage of this shape (channels last), or false where the reference has another shape.
bool match_shapes(const Shape& nhwc, const Shape& reference, std::size_t& channels, std::size_t& pixels) {
  const int rank = nhwc.rank();
  if (rank < 1) return false;
  channels = nhwc[rank - 1];
  pixels = channels > 0 ? nhwc.elements() / channels : 0;
  const std::size_t height = rank == 4 ? nhwc[1] : pixels, width = rank == 4 ? nhwc[2] : 1;
  if (reference.rank() == 4) {
    return reference[0] == 1 && reference[1] == channels && reference[2] == height && reference[3] == width;
  }
  if (reference.rank() == 3) {  // a list of vectors instead of a map, [1, count, length]
    return reference[0] == 1 && reference[1] == channels && reference[2] == pixels;
  }
  return reference.elements() == channels && pixels == 1 && reference[reference.rank() - 1] == channels;
}

void observe(void* context, std::string_view name, const Shape& nhwc, float* elements) {
  auto* observation = static_cast<Observation*>(context);
  for (StageResult& stage : *observation->stages) {
    if (stage.name != name || stage.was_seen) continue;
    if (!match_shapes(nhwc, stage.reference->shape, stage.channels, stage.pixels)) {
      if (observation->status.ok()) {
        observation->status =
            Status(StatusCode::invalid_shape, "tensor `out." + stage.name + "`: expected the model's " +
                                                  nhwc.to_string() + " (channels last), got " +
                                                  stage.reference->shape.to_string() + " (channels first)");
      }
      continue;
    }
    stage.was_seen = true;
    const float* reference = stage.reference->f32();
    (observation->replaces ? stage.judged : stage.accumulated) =
        compare_stage(elements, reference, stage.channels, stage.pixels);
    if (!observation->replaces) continue;
    for (std::size_t p = 0; p < stage.pixels; ++p) {
      for (std::size_t c = 0; c < stage.channels; ++c) {
        elements[p * stage.channels + c] = reference[c * stage.pixels + p];
      }
    }
  }
}

/// Runs once with every recorded tensor observed. Errors: those of run, a shape that differs, a recorded tensor that
/// the run lacks.
Status observed_run(Session& session, const TensorView& input, std::vector<StageResult>& stages, bool replaces) {
  Observation observation{&stages, replaces, Status()};
  for (StageResult& stage : stages) stage.was_seen = false;
  session.set_stage_observer(observe, &observation);
  const Status status = session.run(input);
  session.set_stage_observer(nullptr, nullptr);
  if (!status.ok()) return status;
  if (!observation.status.ok()) return observation.status;
  for (StageResult& stage : stages) {
    if (stage.was_seen) continue;
    if (stage.name != "output") return Status(StatusCode::not_found, "the model did not compute `" + stage.name + "`");
    Observation last{&stages, false, Status()};  // the session gives the output anyway
    const TensorView logits = session.logits();
    observe(&last, "output", logits.shape, const_cast<float*>(logits.f32()));
    if (!last.status.ok()) return last.status;
    if (replaces) stage.judged = stage.accumulated;
  }
  return Status();
}

/// The share of pixels (or 1 and 0 for a classifier) on which the session's last run and the reference agree.
Result<double> label_agreement(Session& session, const StageResult& output, Size size) {
  const float* reference = output.reference->f32();
  if (session.model().is_classifier()) {
    const TensorView logits = session.logits();
    const float* got = logits.f32();
    const auto best = [&](const float* v) { return std::max_element(v, v + output.channels) - v; };
    return best(got) == best(reference) ? 1.0 : 0.0;
  }
  const std::size_t width = static_cast<std::size_t>(size.width),
                    pixels = width * static_cast<std::size_t>(size.height);
  std::vector<std::uint8_t> labels(pixels);
  const Status status = session.label_map(LabelView{labels.data(), size, width});
  if (!status.ok()) return status;
  const Shape& shape = output.reference->shape;
  const std::vector<std::uint8_t> expected =
      reference_labels(reference, output.channels, Size{static_cast<int>(shape[2]), static_cast<int>(shape[3])}, size);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < pixels; ++i) equal += labels[i] == expected[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(pixels);
}

std::string table(const std::vector<StageResult>& stages, bool free_running) {
  std::size_t name_width = 6;
  for (const StageResult& stage : stages) name_width = std::max(name_width, stage.name.size());
  std::string text;
  char line[512];
  std::snprintf(line, sizeof(line), "%-*s  %11s  %11s  %12s  %11s  %s\n", static_cast<int>(name_width), "tensor",
                "max abs", "relative", "cosine", "accumulated", "");
  text += line;
  for (const StageResult& stage : stages) {
    const Difference& judged = free_running ? stage.accumulated : stage.judged;
    std::snprintf(line, sizeof(line), "%-*s  %11.3e  %11.3e  %12.9f  %11.3e  %s\n", static_cast<int>(name_width),
                  stage.name.c_str(), judged.max_abs, judged.relative, judged.cosine, stage.accumulated.relative,
                  stage.passed ? "ok" : "DIFFERS");
    text += line;
  }
  return text;
}

std::string agreement_text(const Model& model, double share, Size size) {
  if (model.is_classifier()) return share == 1 ? "the same" : "another";
  char text[96];
  std::snprintf(text, sizeof(text), "%.4f %% of the pixels at %s", 100 * share, to_text(size).c_str());
  return text;
}

int compare(const CompareOptions& options) {
  const Result<ComputeOptions> compute = compute_options(options.compute);
  if (!compute.ok()) return fail_option(compute.status());
  Result<Model> model = load_model(options.model);
  if (!model.ok()) return fail(model.status());
  Result<ReferenceDump> dump = ReferenceDump::open(options.reference);
  if (!dump.ok()) return fail(about(options.reference, dump.status()));

  const Shape& input = dump->input().shape;
  const auto side = [](std::size_t n) { return static_cast<int>(std::min<std::size_t>(n, 1u << 30)); };
  SessionOptions session_options(*compute);
  session_options.size = Size{side(input[2]), side(input[3])};
  session_options.keep_stages = true;
  Result<Session> session = Session::create(*model, session_options);
  if (!session.ok()) return fail(about(options.reference, session.status()));

  // In the order they are computed, whatever the order of the file.
  std::vector<StageResult> stages;
  std::vector<std::string> known = session->stage_names();
  if (std::find(known.begin(), known.end(), "output") == known.end()) known.push_back("output");
  for (const std::string& name : known) {
    if (const TensorView* reference = dump->find(name)) {
      StageResult stage;
      stage.name = name;
      stage.reference = reference;
      stages.push_back(stage);
    }
  }
  for (const std::string& name : dump->stages()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::vector<std::string>& merged = session->merged_stages();
    if (std::find(merged.begin(), merged.end(), name) != merged.end()) continue;
    return fail(Status(StatusCode::not_found, options.reference + ": tensor `out." + name +
                                                  "` is not one of the model's" + did_you_mean(name, known)));
  }

  TensorView view = dump->input();
  view.layout = Layout::nchw;
  if (!options.free_running) {
    const Status status = observed_run(*session, view, stages, true);
    if (!status.ok()) return fail(about(options.reference, status));
  }
  if (const Status status = observed_run(*session, view, stages, false); !status.ok()) {
    return fail(about(options.reference, status));
  }

  std::string first_failed;
  for (StageResult& stage : stages) {
    stage.passed = (options.free_running ? stage.accumulated : stage.judged).relative <= options.rtol;
    if (!stage.passed && first_failed.empty()) first_failed = stage.name;
  }
  const auto output =
      std::find_if(stages.begin(), stages.end(), [](const StageResult& s) { return s.name == "output"; });
  nlohmann::ordered_json agreement;  // null without an output to compare with
  if (output != stages.end()) {
    const Result<double> share = label_agreement(*session, *output, session_options.size);
    if (!share.ok()) return fail(about(options.reference, share.status()));
    agreement = *share;
  }
  const bool passed = first_failed.empty();

  if (options.json) {
    // JSON has no infinity: a difference that is not finite is null.
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const StageResult& stage : stages) {
      const Difference& judged = options.free_running ? stage.accumulated : stage.judged;
      list.push_back({{"name", stage.name},
                      {"max_abs", judged.max_abs},
                      {"relative", judged.relative},
                      {"cosine", judged.cosine},
                      {"accumulated", stage.accumulated.relative},
                      {"passed", stage.passed}});
    }
    const nlohmann::ordered_json json = {
        {"passed", passed},
        {"rtol", options.rtol},
        {"mode", options.free_running ? "free-running" : "stage-by-stage"},
        {"model", options.model},
        {"reference", options.reference},
        {"input_size", {session_options.size.height, session_options.size.width}},
        {"isa", isa_name(session->isa())},
        {"threads", session->threads()},
        {"stages", list},
        {"label_agreement", agreement},
        {"first_failed", first_failed.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(first_failed)}};
    const Status status = write_stdout(json_text(json));
    if (!status.ok()) return fail(status);
  } else {
    char line[256];
    std::string text = table(stages, options.free_running);
    if (!agreement.is_null()) {
      std::snprintf(line, sizeof(line), model->is_classifier() ? "best class: %s\n" : "label agreement: %s\n",
                    agreement_text(*model, agreement.get<double>(), session_options.size).c_str());
      text += line;
    }
    std::snprintf(line, sizeof(line), " (largest relative difference allowed: %g; %s, %s%s)\n", options.rtol,
                  isa_name(session->isa()), thread_count(session->threads()).c_str(),
                  options.free_running ? ", free-running" : "");
    text += passed ? "every recorded tensor agrees" : "the first tensor that differs: " + first_failed;
    text += line;
    if (const Status status = write_stdout(text); !status.ok()) return fail(status);
  }
  return passed ? k_exit_ok : k_exit_failure;
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand("compare", "Hold a model's numbers against a recorded PyTorch run");
  command->footer(k_compare_examples);
  command->add_option("-m,--model", options->model, "Weight file (.safetensors)")->required()->type_name("MODEL");
  command->add_option("--reference", options->reference, "The recorded tensors")
      ->required()
      ->type_name("DUMP.safetensors");
  command->add_option("--rtol", options->rtol, "Largest relative difference allowed; default: 1e-4")
      ->check(between(0.0, 1e9))
      ->type_name("R");
  command->add_flag("--free-running", options->free_running,
                    "Judge a run in which no tensor is replaced by its recording");
  add_compute_options(*command, options->compute);
  command->add_flag("--json", options->json, "Print JSON instead of a table");
  command->callback([options, &exit_code] { exit_code = compare(*options); });
}

}  // namespace lemore::cli
