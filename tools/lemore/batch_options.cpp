#include "batch_options.h"

#include <cstdlib>

namespace lemore::cli {

namespace {

Result<Mode> parse_mode(const std::string& text) {
  if (text.empty()) return Mode::whole;
  for (const Mode mode : {Mode::whole, Mode::keep, Mode::slide}) {
    if (text == mode_name(mode)) return mode;
  }
  return Status(StatusCode::invalid_argument, "--mode: unknown mode '" + text + "'; known are whole, keep, slide");
}

}  // namespace

void add_batch_options(CLI::App& command, BatchOptions& options) {
  complete_with(
      *command
           .add_option(
               "--mode", options.mode,
               "whole (resize to the network), keep (the image's own size) or slide (windows); default: as the model's "
               "authors test, mostly whole")
           ->type_name("MODE"),
      "whole keep slide");
  command.add_option("--stride", options.stride, "Distance of slide's windows; default: two thirds of a window")
      ->type_name("HxW");
  add_compute_options(command, options.compute);
  command.add_flag("--recursive", options.recursive, "Sub-folders too");
  command.add_flag("--keep-going", options.keep_going, "Go on after an image that fails; exit code 3 at the end");
  command
      .add_option("--shard", options.shard,
                  "Part I of N, counted from 0. auto/N: I from a Slurm array, srun or a Kubernetes job, the same when "
                  "some tasks are submitted again; auto: N too")
      ->type_name("I/N");
  command.add_flag("--copy", options.copy,
                   "Read the model into memory, so that its file may be replaced or cut short meanwhile");
  command
      .add_option("--memory", options.memory_mib,
                  "MiB that the images in flight may take; one is always let in; default: 512")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 30).description(""))
      ->type_name("MIB");
  command.add_option("--max-pixels", options.max_pixels, "Refuse larger images before decoding; default: 268435456")
      ->check(between(std::uint64_t{1}, std::uint64_t{65535} * 65535))
      ->type_name("N");
  choose_from(
      *command
           .add_option("--progress", options.progress, "auto (a bar on a terminal), plain (a line an image) or none")
           ->type_name("STYLE"),
      "auto plain none");
}

Result<SegmenterOptions> segmenter_options(const BatchOptions& options) {
  const Result<Mode> mode = parse_mode(options.mode);
  if (!mode.ok()) return mode.status();
  SegmenterOptions segmenter;
  segmenter.mode = *mode;
  if (!options.stride.empty()) {
    if (*mode != Mode::slide) return Status(StatusCode::invalid_argument, "--stride: goes with --mode slide");
    const Result<Size> stride = parse_size("--stride", options.stride);
    if (!stride.ok()) return stride.status();
    segmenter.stride = *stride;
  }
  const Result<Isa> isa = chosen_isa(options.compute);
  if (!isa.ok()) return isa.status();
  segmenter.isa = *isa;
  segmenter.threads = options.compute.threads;
  return segmenter;
}

std::uint64_t memory_bytes(const BatchOptions& options) { return options.memory_mib << 20; }

Status follow_protocol(const Model& model, BatchOptions& options, SegmenterOptions& segmenter) {
  const Preprocessing& p = model.preprocessing();
  // Windows of the input's size over an image of that size are the image.
  if (options.mode.empty() && p.slide && p.size_rule != SizeRule::exact) {
    if (p.size_rule != SizeRule::native || p.divisor != 1)
      return Status(
          StatusCode::unsupported,
          "the model's authors test in windows over a resized image, which is not supported yet: --mode whole "
          "resizes the image their way and takes it at once");
    segmenter.mode = Mode::slide;
  }
  if (segmenter.mode == Mode::slide && options.stride.empty()) segmenter.stride = p.stride;
  options.mode = mode_name(segmenter.mode);
  return {};
}

LoadOptions load_options(const BatchOptions& options) {
  LoadOptions load;
  load.copy = options.copy;
  return load;
}

Result<Shard> chosen_shard(const BatchOptions& options) {
  if (options.shard.empty()) return Shard();
  return parse_shard(options.shard, [](const char* name) { return std::getenv(name); });
}

}  // namespace lemore::cli
