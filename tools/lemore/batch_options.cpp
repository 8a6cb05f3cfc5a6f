#include "batch_options.h"

#include <cstdlib>
#include <vector>

#include "report.h"
#include "suggest.h"

namespace lemore::cli {

namespace {

/// The mode of this name, or null.
const ModeInfo* find_mode(const std::string& name) {
  for (const ModeInfo& info : k_modes)
    if (name == info.name || (info.old_name != nullptr && name == info.old_name)) return &info;
  return nullptr;
}

void add_mode_option(CLI::App& command, std::optional<Mode>& mode) {
  std::vector<std::string> names, meanings;
  for (const ModeInfo& info : k_modes) {
    names.push_back(info.name);
    meanings.push_back(info.name + std::string(" (") + info.does + ")");
  }
  CLI::Option* option = command.add_option_function<std::string>(
      "--mode", [&mode](const std::string& name) { mode = find_mode(name)->mode; },
      joined_with_or(meanings) + "; default: as the model's authors test, mostly whole");
  option->type_name("MODE")->check(CLI::Validator(
      [names](const std::string& name) {
        if (name.empty() || find_mode(name) != nullptr) return std::string();
        return "expected " + joined_with_or(names) + ", got '" + name + "'" + did_you_mean(name, names);
      },
      ""));
  complete_with(*option, joined_with_spaces(names));
}

}  // namespace

void add_batch_options(CLI::App& command, BatchOptions& options) {
  add_mode_option(command, options.mode);
  command
      .add_option("--stride", options.stride,
                  "Distance of slide's windows; default: the model's own, else two thirds of a window")
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
  const Result<ComputeOptions> compute = compute_options(options.compute);
  if (!compute.ok()) return compute.status();
  SegmenterOptions segmenter(*compute);
  segmenter.mode = options.mode.value_or(Mode::whole);
  if (options.stride.empty()) return segmenter;
  if (segmenter.mode != Mode::slide) return Status(StatusCode::invalid_argument, "--stride: goes with --mode slide");
  const Result<Size> stride = parse_size("--stride", options.stride);
  if (!stride.ok()) return stride.status();
  segmenter.stride = *stride;
  return segmenter;
}

std::uint64_t memory_bytes(const BatchOptions& options) { return options.memory_mib << 20; }

void follow_protocol(const Model& model, const BatchOptions& options, SegmenterOptions& segmenter) {
  if (!options.mode) segmenter.mode = tested_mode(model);
  if (segmenter.mode == Mode::slide && options.stride.empty()) segmenter.stride = model.preprocessing().stride;
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
