#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batch_options.h"
#include "eval/evaluation.h"
#include "eval/evaluator.h"
#include "eval/label_meanings.h"
#include "eval/pairs.h"
#include "eval/result_text.h"
#include "eval/saved_counts.h"
#include "eval/strip.h"
#include "file_io.h"
#include "options.h"
#include "progress.h"
#include "render/pictures.h"
#include "report.h"
#include "run/inputs.h"
#include "run/manifest.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

struct EvalOptions {
  std::string model, images, labels, label_map, pair;
  BatchOptions batch;
  int jobs = 0;
  std::size_t worst = 0;
  std::string out;
  bool wants_json = false;
  std::string json = "-";
  std::string save;
  std::vector<std::string> merge;
};

/// More images at a time would rather wait for memory than for the network.
constexpr int k_most_default_jobs = 8;

constexpr const char* k_eval_examples = R"(Examples:
  lemore eval -m weights/lemore-camvid.safetensors --images camvid/val/images --labels camvid/val/labels
  lemore eval -m MODEL --images DIR --labels DIR --json                     JSON instead of the table
  lemore eval -m MODEL --images DIR --labels DIR --worst 10 --out worst     photo / truth / prediction of the ten worst
  lemore eval -m MODEL --images DIR --labels DIR --shard 0/4 --save-confusion part0.json
  lemore eval --merge part*.json                                            the exact result of the whole
  lemore eval -m MODEL --images leftImg8bit/val --labels gtFine/val --recursive \
      --pair '{}_leftImg8bit.png={}_gtFine_labelTrainIds.png'               Cityscapes
  lemore eval -m MODEL --images DIR --labels DIR --label-map masks.json     labels in colours, 0/255 masks and the like

Images and labels are matched by name without ending (images/a/b.jpg, labels/a/b.png), or as --pair says, and have the
same size. Labels are PNGs, gray of 1 to 8 bits or indexed, whose values are taken as stored: class = value - the
model's annotation offset; its ignore label, and values below the offset, do not count. With --label-map FILE a JSON
file says what values (gray of 1 to 16 bits or indexed) or colours mean, each by a class's name, its index or "ignore":
  {"values": {"0": "background", "255": "object", "7": "ignore"}, "default": "ignore"}
  {"colors": {"#804080": "road", "0,0,0": 3}}                        without "default", what is not listed is an error
IoU is hits / (truth + predicted - hits), accuracy hits / truth, share truth / all labelled pixels. Classes in neither
truth nor prediction are left out of the means, as MMSegmentation has it ('-' in the table, null in JSON). The mIoU of a
single image is over the classes in it. Any --jobs, --threads or split into shards gives the same result. The keys of
the JSON are in docs/json.md.
Exit code: 0 done, 1 failed, 2 wrong usage, 3 some images failed (--keep-going).)";

/// The file that an option names is checked before hours of work: its folder can be written to, and it is not an input.
Status check_output(const char* option, const std::string& path, const std::vector<std::string>& inputs) {
  FileId id, other;
  const bool exists = file_id(path, id);
  for (const std::string& input : inputs) {
    if (!exists || !file_id(input, other) || !(other == id)) continue;
    return Status(StatusCode::invalid_argument, std::string(option) + " " + path + ": is an input and an output");
  }
  std::error_code error;
  if (fs::is_directory(path, error)) {
    return Status(StatusCode::invalid_argument, std::string(option) + " " + path + ": is a folder, expected a file");
  }
  if (exists && !fs::is_regular_file(path, error)) return Status();  // a device or a pipe
  const std::string folder = fs::path(path).parent_path().string();
  return check_writable_folder(folder.empty() ? "." : folder);
}

Status check_outputs(const EvalOptions& options, const std::vector<std::string>& inputs) {
  if (options.wants_json && options.json != "-") {
    if (const Status status = check_output("--json", options.json, inputs); !status.ok()) return status;
  }
  if (options.save.empty()) return Status();
  if (options.wants_json && fs::path(options.json).lexically_normal() == fs::path(options.save).lexically_normal()) {
    return Status(StatusCode::invalid_argument, "--json and --save-confusion name the same file");
  }
  return check_output("--save-confusion", options.save, inputs);
}

/// Table or JSON on stdout, and the files that were asked for.
Status put_result(const EvalOptions& options, const SavedCounts& result) {
  if (!options.save.empty()) {
    const std::string text = to_json_text(result);
    if (const Status status = write_file_atomic(options.save, text.data(), text.size()); !status.ok()) return status;
  }
  if (!options.wants_json) return write_stdout(result_table(result));
  const std::string json = result_json(result);
  if (options.json == "-") return write_stdout(json);
  if (const Status status = write_file_atomic(options.json, json.data(), json.size()); !status.ok()) return status;
  return write_stdout(result_table(result));
}

int merge(const EvalOptions& options) {
  if (const Status status = check_outputs(options, options.merge); !status.ok()) return fail_option(status);
  std::vector<SavedCounts> parts;
  for (const std::string& path : options.merge) {
    Result<SavedCounts> part = read_saved_counts(path);
    if (!part.ok()) return fail(part.status());
    if (part->part.failed > 0)
      print_warning(path, counted(part->part.failed, "image") + " failed and not in its counts");
    parts.push_back(std::move(*part));
  }
  const Result<SavedCounts> sum = merge_counts(parts, options.merge);
  if (!sum.ok()) return fail(sum.status());
  const Status status = put_result(options, *sum);
  return status.ok() ? k_exit_ok : fail(status);
}

/// What the counts are of. Nothing in it depends on threads, jobs, shards or the folder the model lies in.
nlohmann::ordered_json source_of(const EvalOptions& options, const Model& model, const SegmenterOptions& segmenter,
                                 const LabelMeanings* meanings) {
  const Size network = model.input_size();
  nlohmann::ordered_json source = {{"model", fs::path(options.model).filename().string()},
                                   {"architecture", model.architecture()},
                                   {"labels", model.labels_name()},
                                   {"input_size", {network.height, network.width}},
                                   {"source_sha256", model.provenance().source_sha256},
                                   {"mode", mode_name(segmenter.mode)}};
  if (segmenter.stride != Size{}) source["stride"] = {segmenter.stride.height, segmenter.stride.width};
  if (!options.pair.empty()) source["pair"] = options.pair;
  if (meanings != nullptr) source["label_map"] = meanings->to_json();
  return source;
}

/// Evaluators that share the threads: several images at a time on few threads each get more done than one on all.
Result<std::vector<Evaluator>> make_evaluators(const EvalOptions& options, const Model& model,
                                               SegmenterOptions segmenter, std::size_t pairs,
                                               const LabelMeanings* meanings) {
  const int threads = options.batch.compute.threads > 0 ? options.batch.compute.threads : default_threads();
  int jobs = options.jobs > 0 ? options.jobs : std::min(threads, k_most_default_jobs);
  jobs = static_cast<int>(std::clamp<std::size_t>(pairs, 1, static_cast<std::size_t>(jobs)));
  DecodeLimits limits;
  limits.max_pixels = options.batch.max_pixels;
  std::vector<Evaluator> evaluators;
  for (const int share : divide_threads(threads, jobs)) {
    segmenter.threads = share;
    Result<Evaluator> evaluator = Evaluator::create(model, segmenter, limits, meanings);
    if (!evaluator.ok()) return evaluator.status();
    evaluators.push_back(std::move(*evaluator));
  }
  return Result<std::vector<Evaluator>>(std::move(evaluators));
}

/// "03_0.4312_NAME.png": rank, mIoU, and the pair's name with its folders.
std::string strip_name(std::size_t rank, std::size_t ranks, const ImageScore& score, std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  char text[64];
  std::snprintf(text, sizeof(text), "%0*zu_%.4f_", static_cast<int>(std::to_string(ranks).size()), rank, score.miou);
  return text + name + ".png";
}

/// Evaluates the worst images once more, this time to keep their pictures: so memory does not depend on how many are
/// asked for.
Status write_strips(const std::string& folder, const std::vector<Pair>& pairs, const std::vector<ImageScore>& worst,
                    const Palette& palette, Evaluator& evaluator) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < worst.size(); ++i) {
    const Pair& pair = pairs[worst[i].place];
    if (const Status status = evaluator.evaluate(pair); !status.ok()) return status;
    Status status = encode_strip(evaluator.photo(), evaluator.annotation(), evaluator.prediction(), evaluator.values(),
                                 palette, bytes);
    if (!status.ok()) return about(pair.image, status);
    status = write_file_atomic(folder + "/" + strip_name(i + 1, worst.size(), worst[i], pair.name), bytes.data(),
                               bytes.size());
    if (!status.ok()) return status;
  }
  return Status();
}

/// The strips' folder must not be one that is searched for images or labels. Errors: invalid_argument, io_error.
Status prepare_strip_folder(const EvalOptions& options) {
  if (options.worst == 0) return Status();
  FileId out, input;
  for (const std::string& folder : {options.images, options.labels}) {
    if (file_id(options.out, out) && file_id(folder, input) && out == input) {
      return Status(StatusCode::invalid_argument, "--out " + options.out + ": is a folder of inputs");
    }
  }
  return check_writable_folder(options.out);
}

int evaluate(const EvalOptions& options) {
  const BatchOptions& batch = options.batch;
  Result<SegmenterOptions> segmenter = segmenter_options(batch);
  if (!segmenter.ok()) return fail_option(segmenter.status());
  const Result<Shard> shard = chosen_shard(batch);
  if (!shard.ok()) return fail_option(shard.status());
  std::optional<PairPattern> pattern;
  if (!options.pair.empty()) {
    const Result<PairPattern> parsed = parse_pair_pattern(options.pair);
    if (!parsed.ok()) return fail_option(parsed.status());
    pattern = *parsed;
  }
  const Result<Model> model = load_model(options.model, load_options(batch));
  if (!model.ok()) return fail(model.status());
  if (model->is_classifier()) return fail_usage("eval: " + options.model + " is a classifier, it makes no label map");
  follow_protocol(*model, batch, *segmenter);

  std::optional<LabelMeanings> meanings;
  if (!options.label_map.empty()) {
    Result<LabelMeanings> read = LabelMeanings::read(options.label_map, model->classes());
    if (!read.ok()) return fail(read.status());
    meanings.emplace(std::move(*read));
  }
  const LabelMeanings* label_map = meanings ? &*meanings : nullptr;

  Result<PairList> found = find_pairs(options.images, options.labels, batch.recursive, pattern ? &*pattern : nullptr);
  if (!found.ok()) return fail(found.status());
  tell_passed_over(found->special);
  if (found->passed_over > 0) {
    print_warning(options.images, std::to_string(found->passed_over) +
                                      " of its images left out: not called as --pair " + options.pair + " says");
  }
  for (const Status& stray : found->strays) {
    print_error(stray.message());
    if (!batch.keep_going) return k_exit_failure;
  }
  std::vector<std::string> inputs = {options.model};
  if (!options.label_map.empty()) inputs.push_back(options.label_map);
  for (const Pair& pair : found->pairs) inputs.insert(inputs.end(), {pair.image, pair.label});
  if (const Status status = check_outputs(options, inputs); !status.ok()) return fail_option(status);
  if (const Status status = prepare_strip_folder(options); !status.ok()) return fail_option(status);

  SavedCounts result;
  result.source = source_of(options, *model, *segmenter, label_map);
  const Result<std::string> hash = hash_file(options.model);  // files of one name may hold other weights
  if (!hash.ok()) return fail(hash.status());
  result.source["weights"] = *hash;
  result.part = {*shard, found->pairs.size(), digest_of(found->pairs), 0};
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < found->pairs.size(); ++i) {
    if (shard->has(i)) pairs.push_back(std::move(found->pairs[i]));
  }
  Result<std::vector<Evaluator>> evaluators = make_evaluators(options, *model, *segmenter, pairs.size(), label_map);
  if (!evaluators.ok()) return fail_option(evaluators.status());
  Progress progress(Progress::parse_style(batch.progress), pairs.size(), "images");
  const Evaluation evaluation =
      evaluate(pairs, *evaluators, batch.keep_going, options.worst, progress, memory_bytes(batch));
  if (evaluation.failed > 0 && !batch.keep_going) return k_exit_failure;

  for (const ClassInfo& c : model->classes()) result.names.push_back(c.name);
  result.images = evaluation.images;
  result.part.failed = evaluation.failed;
  result.counts = evaluation.counts;
  const Palette palette(model->classes());
  if (const Status status = write_strips(options.out, pairs, evaluation.worst, palette, evaluators->front());
      !status.ok()) {
    return fail(status);
  }
  if (const Status status = put_result(options, result); !status.ok()) return fail(status);
  const std::size_t failed = evaluation.failed + found->strays.size();
  if (failed == 0) return k_exit_ok;
  print_error(std::to_string(failed) + " of " + counted(pairs.size() + found->strays.size(), "image") + " failed");
  return k_exit_some_failed;
}

/// What can be said about the command line alone. Errors: invalid_argument.
Status check_usage(const EvalOptions& options) {
  const auto wrong = [](const char* text) { return Status(StatusCode::invalid_argument, text); };
  const bool has_inputs = !options.images.empty() || !options.labels.empty() || !options.model.empty() ||
                          !options.label_map.empty() || !options.pair.empty();
  if (!options.merge.empty()) {
    if (has_inputs)
      return wrong("--merge: takes saved confusions only, no --model, --images, --labels, --label-map or --pair");
    if (options.worst > 0 || !options.out.empty()) return wrong("--worst: not with --merge, which sees no image");
    return Status();
  }
  if (options.model.empty() || options.images.empty() || options.labels.empty()) {
    return wrong("eval: expected -m MODEL, --images DIR and --labels DIR, or --merge FILE... (see lemore eval --help)");
  }
  if (options.worst > 0 && options.out.empty()) return wrong("--worst: needs --out DIR, the folder for the strips");
  if (options.worst == 0 && !options.out.empty()) return wrong("--out: goes with --worst N");
  return Status();
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Score a model on labelled images: mIoU, accuracies, confusion");
  command->footer(k_eval_examples);
  command->add_option("-m,--model", options->model, "Weight file (.safetensors)")->type_name("MODEL");
  command->add_option("--images", options->images, "Folder of images")->type_name("DIR");
  command->add_option("--labels", options->labels, "Folder of label PNGs of the same names")->type_name("DIR");
  command->add_option("--label-map", options->label_map, "JSON file: which values or colours of labels are which class")
      ->type_name("FILE");
  command->add_option("--pair", options->pair, "Names of an image and its label, {} for what they share")
      ->type_name("IMAGE=LABEL");
  add_batch_options(*command, options->batch);
  command
      ->add_option("--jobs", options->jobs,
                   "Images at a time, which share the threads; default: one a thread, at most 8")
      ->check(between(1, 1024))
      ->type_name("N");
  CLI::Option* json = command->add_option("--json", options->json, "JSON instead of the table; with a file name, both")
                          ->expected(0, 1)
                          ->type_name("FILE");
  command->add_option("--save-confusion", options->save, "Write the counts, for --merge")->type_name("FILE");
  command->add_option("--merge", options->merge, "Add up saved counts and print the result; needs no model")
      ->expected(1, -1)
      ->type_name("FILE...");
  command
      ->add_option("--worst", options->worst, "Write the N images of lowest mIoU as photo / truth / prediction strips")
      ->check(between(std::size_t{1}, std::size_t{1000000}))
      ->type_name("N");
  command->add_option("--out", options->out, "Folder for the strips")->type_name("DIR");
  command->callback([options, json, &exit_code] {
    options->wants_json = json->count() > 0;
    if (options->json.empty()) options->json = "-";
    const Status status = check_usage(*options);
    exit_code = !status.ok()             ? fail_usage(status.message())
                : options->merge.empty() ? evaluate(*options)
                                         : merge(*options);
  });
}

}  // namespace lemore::cli
