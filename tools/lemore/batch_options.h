#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "image_io/decode.h"
#include "lemore/segmenter.h"
#include "lemore/status.h"
#include "options.h"
#include "run/shard.h"

namespace lemore::cli {

/// What every command that segments many images is told.
struct BatchOptions {
  std::string mode, stride;  ///< no mode: as the model's authors test
  ComputeOptions compute;
  bool recursive = false, keep_going = false;
  std::string shard, progress = "auto";
  std::uint64_t max_pixels = DecodeLimits().max_pixels;
  std::uint64_t memory_mib = 512;
  bool copy = false;
};
void add_batch_options(CLI::App& command, BatchOptions& options);

/// Mode, stride, threads and ISA. Errors: invalid_argument naming the option; those of chosen_isa.
Result<SegmenterOptions> segmenter_options(const BatchOptions& options);

/// What --memory says.
std::uint64_t memory_bytes(const BatchOptions& options);

/// Where no --mode was given, that in which the authors of the weights test: windows at the image's own size, or the whole
/// image. `options.mode` is a mode's name afterwards. Errors: unsupported for what the library cannot do yet.
Status follow_protocol(const Model& model, BatchOptions& options, SegmenterOptions& segmenter);

/// How --copy has the model loaded.
LoadOptions load_options(const BatchOptions& options);

/// The part that --shard names, with what the environment says of an array job; all without it.
/// Errors    invalid_argument.
Result<Shard> chosen_shard(const BatchOptions& options);

}  // namespace lemore::cli
