#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "batch_options.h"
#include "file_io.h"
#include "frames/run_frames.h"
#include "options.h"
#include "picture_options.h"
#include "progress.h"
#include "render/pictures.h"
#include "report.h"
#include "run/engine.h"
#include "run/inputs.h"
#include "run/manifest.h"
#include "run/names.h"
#include "run/output_kinds.h"
#include "run/pipeline.h"
#include "run/writer.h"
#include "stop.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

struct RunOptions {
  std::string model;
  std::vector<std::string> inputs;
  std::string out;
  std::vector<std::string> emit;
  PictureOptions pictures;
  BatchOptions batch;
  bool resume = false, json = false;
  std::string manifest;
  std::string frames, colorspace = "auto";
  double fps = 0;
};

constexpr const char* k_run_examples = R"(Examples:
  lemore run -m weights/lemore-camvid.safetensors street.jpg -o street          street.labels.png, street.overlay.png
  lemore run -m MODEL street.jpg -o labels.png --emit labels                     exactly that file
  lemore run -m MODEL photos/ -o out/ --emit labels,json --recursive --resume    a whole tree, going on where it stopped
  lemore run -m MODEL 'photos/*.jpg' -o out --only car,person --legend           these classes only, named below
  curl -s URL | lemore run -m MODEL - -o - --emit overlay > overlay.png          from a pipe to a pipe
  lemore run -m MODEL @list.txt -o out --shard auto/8 --manifest out/part.jsonl  one of the 8 tasks of an array job
  ffmpeg -i street.mp4 -f yuv4mpegpipe -pix_fmt yuv420p - | lemore run -m MODEL --frames y4m - | ffplay -    a video

Outputs of NAME.jpg: NAME.labels.png (8-bit indexed, value = class), NAME.overlay.png, NAME.color.png,
NAME.confidence.png (gray, 0..255 = 0..1), NAME.json, NAME.logits.npy (float32 [classes, h, w]). --only changes overlay,
colour and legend; labels and the rest keep all classes.
labels.png and color.png look alike on purpose: the values of labels.png are class numbers, and its palette has the
colours of the data set so that a viewer shows them; color.png has no values, only those colours. The overlay has
colours that people tell apart, colour-blind people too, and that fit street scenes (--palette).
--min-confidence leaves pixels out of overlay, colour and legend; with --ignore-uncertain out of labels.png and
NAME.json too.

Names: with one input OUT is a file, otherwise (or where it ends in / or exists as one) a folder. As a file, OUT is
exactly what one kind of output is called; with several kinds OUT loses a picture's ending (.png, .jpg; other dots
belong to the name) and takes the endings above. OUT.jpg makes overlay and colour JPEGs; labels and confidence are
always PNGs, since JPEG changes values. In a folder, images that differ only by their ending keep it (a.jpg.labels.png,
a.png.labels.png), and images of the same name from different folders go to sub-folders named after those.

A folder's images are its files that end in .jpg .jpeg .png .bmp .ppm .pgm .pbm .webp .tif and the like; the content
decides what a file is, not the name. Hidden files are not searched for, pipes and devices are passed over unless named.

--resume skips an image whose outputs are all there, unless it is newer than they are. With --manifest it also sees
another model, other options, or an image that was replaced by an older one, and does those images again.
SIGINT or SIGTERM ends a run after the image under way; a second one at once. Either way no output is left half-written.
Exit code: 0 all done, 1 failed, 2 wrong usage, 3 some failed (--keep-going), 128 + N ended by signal N.)";

/// Every image takes this much memory on its way, whatever it is made into: three bytes of pixels, as much again while
/// it is turned upright or for what is encoded of it, and its label.
constexpr std::uint64_t k_bytes_a_pixel = 7;

/// Where outputs go: a file for one input, else a folder.
Result<OutputNames> choose_names(const RunOptions& options, const OutputKinds& kinds, bool is_single) {
  if (options.out == "-") {
    if (kinds.count() != 1) {
      return Status(StatusCode::invalid_argument,
                    "-o -: standard output takes one kind of output; name it with --emit");
    }
    if (!is_single) return Status(StatusCode::invalid_argument, "-o -: standard output takes one input only");
    return OutputNames::to_stdout();
  }
  std::error_code error;
  const bool is_folder = fs::is_directory(options.out, error);
  if (is_single && !is_folder && options.out.back() != '/') return OutputNames::as_file(options.out, kinds);
  if (!is_folder && fs::exists(options.out, error)) {
    return Status(StatusCode::invalid_argument,
                  "-o " + options.out + ": exists and is not a folder, but there are several inputs");
  }
  return OutputNames::in_folder(options.out);
}

/// Refuses a run whose outputs would overwrite an input or the model. Errors: invalid_argument.
Status check_outputs(const std::vector<Input>& inputs, const OutputNames& names, const OutputKinds& kinds,
                     const std::string& model) {
  if (names.is_stdout()) return Status();
  std::unordered_set<FileId, FileIdHash> sources;
  FileId id;
  for (const Input& input : inputs) {
    if (input.path != "-" && file_id(input.path, id)) sources.insert(id);
  }
  FileId model_id;
  const bool has_model = file_id(model, model_id);
  for (const Input& input : inputs) {
    const std::string stem = names.stem(input.name);
    for (const OutputKind kind : kinds.list()) {
      const std::string path = names.path(stem, kind);
      if (!file_id(path, id)) continue;
      if (sources.count(id) != 0) return Status(StatusCode::invalid_argument, path + ": is an input and an output");
      if (has_model && id == model_id)
        return Status(StatusCode::invalid_argument, path + ": is the model and an output");
    }
  }
  return Status();
}

/// The manifest must not be an input, the model or an output.
Status check_manifest(const std::string& manifest, const std::vector<Input>& inputs, const OutputNames& names,
                      const OutputKinds& kinds, const std::string& model) {
  const std::string normal = fs::path(manifest).lexically_normal().string();
  FileId id, other;
  const bool exists = file_id(manifest, id);
  const auto is_same = [&](const std::string& path) {
    return fs::path(path).lexically_normal().string() == normal || (exists && file_id(path, other) && other == id);
  };
  bool clashes = is_same(model);
  for (const Input& input : inputs) {
    clashes = clashes || is_same(input.path);
    if (names.is_stdout()) continue;
    for (const OutputKind kind : kinds.list()) clashes = clashes || is_same(names.path(names.stem(input.name), kind));
  }
  return clashes ? Status(StatusCode::invalid_argument,
                          "--manifest " + manifest + ": is also an input, an output or the model")
                 : Status();
}

/// Says what is named more than once.
void tell_repeats(const std::vector<std::string>& repeats) {
  if (repeats.size() == 1) {
    print_error("note: " + repeats[0] + " is named more than once and done once");
  } else if (!repeats.empty()) {
    print_error("note: " + std::to_string(repeats.size()) +
                " inputs are named more than once and done once, among them " + repeats[0]);
  }
}

/// The options that change what is in an output, for the manifest.
std::string options_text(const RunOptions& options, Mode mode, const OutputKinds& kinds, const OutputNames& names) {
  const PictureOptions& pictures = options.pictures;
  std::string text = std::string("mode=") + mode_name(mode);
  if (!options.batch.stride.empty()) text += " stride=" + options.batch.stride;
  const bool has_overlay = kinds.has(OutputKind::overlay), has_color = kinds.has(OutputKind::color);
  if (has_overlay) {
    char opacity[32];
    std::snprintf(opacity, sizeof(opacity), " opacity=%g", pictures.opacity);
    text += opacity;
    if (pictures.outlines) text += " outlines";
    if (pictures.legend) text += " legend" + (pictures.font.empty() ? "" : "=" + pictures.font);
    if (pictures.palette != "distinct") text += " palette=" + pictures.palette;
  }
  if (has_overlay || has_color) {
    if (names.is_jpeg(OutputKind::overlay)) text += " jpeg";
    for (std::size_t i = 0; i < pictures.only.size(); ++i) text += (i == 0 ? " only=" : ",") + pictures.only[i];
  }
  if (pictures.min_confidence > 0) {
    char least[48];
    std::snprintf(least, sizeof(least), " min-confidence=%g", pictures.min_confidence);
    text += least;
    if (pictures.ignore_uncertain) text += " ignore-uncertain";
  }
  return text;
}

/// Says of how many images the manifest knows that they were made with another model or other options.
void tell_made_otherwise(const Manifest& manifest, const std::vector<Input>& inputs) {
  std::size_t of_model = 0, of_options = 0;
  for (const Input& input : inputs) {
    const Manifest::Entry* entry = manifest.find(input.path);
    if (entry == nullptr || !entry->made_with || *entry->made_with == manifest.made_with()) continue;
    ++(entry->made_with->model == manifest.made_with().model ? of_options : of_model);
  }
  if (of_model + of_options == 0) return;
  print_error("note: " + manifest.path() + ": " + std::to_string(of_model + of_options) + " of " +
              std::to_string(inputs.size()) + " images were made with " +
              (of_options == 0 ? "another model"
               : of_model == 0 ? "other options"
                               : "another model or other options") +
              " and are done again");
}

int run_exit_code(const RunSummary& summary, bool keep_going) {
  if (!summary.fatal.ok()) return k_exit_failure;
  if (summary.failed > 0) return keep_going ? k_exit_some_failed : k_exit_failure;
  return k_exit_ok;
}

/// "12 images in 3.41 s: out/ (2 skipped, they were done)".
std::string closing_line(const RunSummary& summary, const OutputNames& names, const OutputKinds& kinds,
                         const std::vector<Input>& inputs) {
  char seconds[48];
  std::snprintf(seconds, sizeof(seconds), " in %.*f s: ", summary.seconds < 10 ? 2 : 0, summary.seconds);
  std::string text = counted(summary.done, "image") + seconds;
  if (names.is_folder()) {
    text += names.folder() + (names.folder().back() == '/' ? "" : "/");
  } else {
    const char* separator = "";
    for (const OutputKind kind : kinds.list()) {
      text += separator + names.path(names.stem(inputs.front().name), kind);
      separator = ", ";
    }
  }
  std::string more;
  if (summary.skipped > 0) more += std::to_string(summary.skipped) + " skipped, done before";
  if (summary.again > 0)
    more += (more.empty() ? "" : "; ") + std::to_string(summary.again) + " again, the image changed";
  if (summary.failed > 0) more += (more.empty() ? "" : "; ") + std::to_string(summary.failed) + " failed";
  return one_line(more.empty() ? text : text + " (" + more + ")") + "\n";
}

Status print_summary(const RunSummary& summary, Isa isa, int threads) {
  const JobTimes& t = summary.times;
  const nlohmann::ordered_json json = {
      {"images", summary.done},
      {"failed", summary.failed},
      {"skipped", summary.skipped},
      {"again", summary.again},
      {"interrupted", summary.was_interrupted},
      {"seconds", summary.seconds},
      {"images_per_second", summary.seconds > 0 ? static_cast<double>(summary.done) / summary.seconds : 0.0},
      {"isa", isa_name(isa)},
      {"threads", threads},
      {"times_ms",
       {{"decode", t.decode},
        {"prepare", t.prepare},
        {"network", t.network},
        {"labels", t.labels},
        {"encode", t.encode}}}};
  return write_stdout(json_text(json));
}

/// --frames: a stream instead of images.
int run_stream(const RunOptions& options) {
  const BatchOptions& batch = options.batch;
  if (options.inputs.size() != 1 || options.inputs[0] != "-")
    return fail_usage("--frames: expected - as the only input, frames come from standard input");
  if (!options.out.empty() && options.out != "-") return fail_usage("--frames: frames go to standard output, -o -");
  const char* wrong = !options.emit.empty()       ? "--emit"
                      : options.resume            ? "--resume"
                      : options.json              ? "--json"
                      : !options.manifest.empty() ? "--manifest"
                      : !batch.shard.empty()      ? "--shard"
                      : batch.recursive           ? "--recursive"
                      : batch.keep_going          ? "--keep-going"
                                                  : nullptr;
  if (wrong == nullptr) wrong = option_not_for_video(options.pictures);
  if (wrong != nullptr) return fail_usage(std::string(wrong) + ": not with --frames");
  const Result<SegmenterOptions> segmenter = segmenter_options(batch);
  if (!segmenter.ok()) return fail_option(segmenter.status());
  Result<Model> model = load_model(options.model, load_options(batch), "INPUT");
  if (!model.ok()) return fail(model.status());
  if (model->is_classifier()) return fail_usage("--frames: " + options.model + " is a classifier, it makes no labels");
  const Result<Palette> palette = choose_palette(options.pictures, *model);
  if (!palette.ok()) return fail_usage(palette.status().message());
  FramesOptions frames;
  frames.format = options.frames;
  frames.colorspace = options.colorspace;
  frames.fps = options.fps;
  frames.opacity = options.pictures.opacity;
  frames.max_pixels = batch.max_pixels;
  frames.segmenter = *segmenter;
  follow_protocol(*model, batch, frames.segmenter);
  const Status status = guarded([&] { return run_frames(*model, *palette, frames); });
  return status.ok() ? k_exit_ok : fail_option(status);
}

int run(RunOptions options) {
  if (!options.frames.empty()) return run_stream(options);
  if (options.fps > 0) return fail_usage("--fps goes with --frames");
  if (options.colorspace != "auto") return fail_usage("--colorspace goes with --frames");
  if (const Status status = check_picture_options(options.pictures); !status.ok()) return fail_usage(status.message());
  // What can be said about the command line alone comes first, before any file is read.
  const bool has_default_kinds = options.emit.empty();
  Result<OutputKinds> kinds =
      parse_output_kinds(has_default_kinds ? std::vector<std::string>{"labels", "overlay"} : options.emit);
  if (!kinds.ok()) return fail_usage(kinds.status().message());
  const BatchOptions& batch = options.batch;
  const Result<SegmenterOptions> segmenter = segmenter_options(batch);
  if (!segmenter.ok()) return fail_option(segmenter.status());
  EngineOptions engine_options;
  engine_options.segmenter = *segmenter;
  if (options.out.empty()) return fail_usage("--out: is required: a file or folder, or - for standard output");
  if (options.json && options.out == "-") return fail_usage("--json: standard output is taken by -o -");
  const Result<Shard> shard = chosen_shard(batch);
  if (!shard.ok()) return fail_usage(shard.status().message());

  Result<Model> model = load_model(options.model, load_options(batch), "INPUT");
  if (!model.ok()) return fail(model.status());
  const Mode& mode = engine_options.segmenter.mode;
  follow_protocol(*model, batch, engine_options.segmenter);
  if (kinds->has(OutputKind::npy) && mode == Mode::slide)
    return fail_usage("--emit npy: not with --mode slide, whose logits never stand in memory as a whole" +
                      std::string(batch.mode ? "" : ", and which " + options.model + " is for (--mode whole)"));
  if (model->is_classifier()) {
    if (has_default_kinds) kinds = parse_output_kinds({"json"});
    for (const OutputKind kind : kinds->list()) {
      if (kind == OutputKind::json || kind == OutputKind::npy) continue;
      return fail_usage("--emit " + std::string(info_of(kind).name) + ": " + options.model +
                        " is a classifier, it gives json and npy only");
    }
    if (mode != Mode::whole)
      return fail_usage(std::string("--mode ") + mode_name(mode) + ": " + options.model +
                        " is a classifier, it has whole only");
  }
  const Result<Palette> palette = choose_palette(options.pictures, *model);
  if (!palette.ok()) return fail_usage(palette.status().message());

  const Result<int> uncertain_label = choose_uncertain_label(options.pictures, *model);
  if (!uncertain_label.ok()) return fail_usage(uncertain_label.status().message());
  std::optional<Lettering> lettering;
  if (options.pictures.legend) {
    Result<Lettering> created = Lettering::create(options.pictures.font, palette->names);
    if (!created.ok()) return fail(created.status());
    lettering.emplace(std::move(*created));
    if (!lettering->missing().empty())
      print_error("note: no font here has these characters of the class names, boxes stand for them: " +
                  lettering->missing() + (options.pictures.font.empty() ? " (--font FILE chooses one)" : ""));
  }

  Result<InputList> inputs =
      expand_inputs(options.inputs, InputOptions{batch.recursive, options.out == "-" ? std::string() : options.out});
  if (!inputs.ok()) return fail_option(inputs.status());
  const std::vector<std::string> repeats = remove_repeats(inputs->inputs);
  name_outputs(inputs->inputs);
  const Result<OutputNames> names = choose_names(options, *kinds, inputs->single);
  if (!names.ok()) return fail_usage(names.status().message());
  if (const Status status = check_outputs(inputs->inputs, *names, *kinds, options.model); !status.ok()) {
    return fail_usage(status.message());
  }
  if (!options.manifest.empty()) {
    const Status status = check_manifest(options.manifest, inputs->inputs, *names, *kinds, options.model);
    if (!status.ok()) return fail_usage(status.message());
  }
  tell_passed_over(inputs->passed_over);
  tell_repeats(repeats);
  if (shard->count > 1) {
    std::vector<Input> mine;
    for (std::size_t i = 0; i < inputs->inputs.size(); ++i) {
      if (shard->has(i)) mine.push_back(std::move(inputs->inputs[i]));
    }
    inputs->inputs = std::move(mine);
  }

  // A window is the longest that a stop signal waits for.
  engine_options.segmenter.progress =
      SlideProgress{[](void*, std::size_t, std::size_t) { return !stop_requested(); }, nullptr};
  engine_options.wants_confidence = kinds->has(OutputKind::confidence) || options.pictures.min_confidence > 0;
  engine_options.wants_logits = kinds->has(OutputKind::npy) || model->is_classifier();
  Result<Engine> engine = Engine::create(*model, engine_options);
  if (!engine.ok()) return fail_option(engine.status());

  if (names->is_folder()) {
    if (const Status status = check_writable_folder(names->folder()); !status.ok()) return fail(status);
    remove_stale_parts(names->folder());
  }
  std::optional<Manifest> manifest;
  if (!options.manifest.empty()) {
    Result<std::string> hash = hash_file(options.model);
    if (!hash.ok()) return fail(hash.status());
    const MadeWith made_with{*hash, options_text(options, mode, *kinds, *names)};
    Result<Manifest> opened = Manifest::open(options.manifest, options.resume, made_with);
    if (!opened.ok()) return fail(opened.status());
    manifest.emplace(std::move(*opened));
    if (options.resume) tell_made_otherwise(*manifest, inputs->inputs);
  }

  WriterOptions writer_options;
  writer_options.kinds = *kinds;
  writer_options.overlay = {options.pictures.opacity, options.pictures.outlines};
  writer_options.legend = lettering ? &*lettering : nullptr;
  writer_options.min_confidence = options.pictures.min_confidence;
  writer_options.uncertain_label = *uncertain_label;
  writer_options.model_file = options.model;
  std::error_code error;
  const auto model_bytes = fs::file_size(options.model, error);
  writer_options.model_bytes = error ? 0 : model_bytes;
  writer_options.mode = mode;
  writer_options.isa = engine->session().isa();
  writer_options.threads = engine->session().threads();
  const Writer writer(*model, *palette, writer_options);

  PipelineOptions pipeline_options;
  pipeline_options.limits.max_pixels = batch.max_pixels;
  pipeline_options.keep_going = batch.keep_going;
  pipeline_options.resume = options.resume;
  pipeline_options.helpers = std::min(default_threads(), 4);
  pipeline_options.memory_bytes = memory_bytes(batch);
  pipeline_options.bytes_a_pixel = k_bytes_a_pixel + (engine_options.wants_confidence ? sizeof(float) : 0);
  Progress progress(Progress::parse_style(batch.progress), inputs->inputs.size(), "images");
  catch_stop_signals();
  Pipeline pipeline(inputs->inputs, *names, *kinds, pipeline_options, *engine, writer, progress,
                    manifest ? &*manifest : nullptr);
  const RunSummary summary = pipeline.run();

  if (!summary.fatal.ok()) print_error(summary.fatal.message());
  if (summary.was_interrupted) {
    const std::size_t settled = summary.done + summary.failed + summary.skipped;
    print_error("interrupted after " + std::to_string(settled) + " of " + counted(inputs->inputs.size(), "image") +
                "; --resume goes on from here");
  }
  if (summary.failed > 0 && batch.keep_going) {
    print_error(std::to_string(summary.failed) + " of " + counted(inputs->inputs.size(), "image") + " failed");
  }
  if (options.json) {
    const Status status = print_summary(summary, writer_options.isa, writer_options.threads);
    if (!status.ok() && !summary.was_interrupted) return fail(status);
  }
  // So a shell loop around this program stops too, and threads that are stuck need not be waited for.
  if (summary.was_interrupted) end_by_stop_signal();
  const int exit_code = run_exit_code(summary, batch.keep_going);
  if (exit_code != k_exit_failure && !options.json && options.out != "-" && !inputs->inputs.empty()) {
    // The outputs are there whether or not anybody reads this.
    (void)write_stdout(closing_line(summary, *names, *kinds, inputs->inputs));
  }
  return exit_code;
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Segment images: label maps, overlays and more");
  command->footer(k_run_examples);
  command->add_option("-m,--model", options->model, "Weight file (.safetensors)")->required()->type_name("MODEL");
  command
      ->add_option("INPUT", options->inputs, "File, folder, 'glob*', @list.txt, or - (image bytes on standard input)")
      ->required()
      ->type_name("");
  command->add_option("-o,--out", options->out, "File for one input, else folder (Names, below); - is standard output")
      ->type_name("OUT");
  complete_with(*command
                     ->add_option("--emit", options->emit,
                                  "labels, overlay, color, confidence, json, npy; default: labels,overlay")
                     ->delimiter(',')
                     ->expected(1)
                     ->take_all()
                     ->allow_extra_args(false)
                     ->type_name("KINDS"),
                "labels overlay color confidence json npy");
  add_picture_options(*command, options->pictures);
  add_batch_options(*command, options->batch);
  command->add_flag("--resume", options->resume, "Skip images whose outputs are all there and not out of date");
  command->add_option("--manifest", options->manifest, "One JSON line an image, as it finishes; --resume appends")
      ->type_name("FILE.jsonl");
  command->add_option("--frames", options->frames, "Frames of a video from standard input to standard output, painted")
      ->type_name("y4m|raw:WxH:rgb24");
  command->add_option("--fps", options->fps, "Pace of --frames; a late frame keeps the classes of the one before")
      ->check(between(1e-3, 1e9))
      ->type_name("N");
  choose_from(*command
                   ->add_option("--colorspace", options->colorspace,
                                "Of y4m frames: bt601, bt709 or auto (bt709 from 720 rows up); default: auto")
                   ->type_name("NAME"),
              "auto bt601 bt709");
  command->add_flag("--json", options->json, "Print counts and times as JSON");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace lemore::cli
