#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "image_io/decode.h"
#include "lemore/segmenter.h"
#include "lemore/status.h"
#include "options.h"
#include "run/shard.h"

namespace lemore::cli {

/// What every command that segments many images is told.
struct BatchOptions {
  std::optional<Mode> mode;  ///< none: as the model's authors test
  std::string stride;
  ComputeOptions compute;
  bool recursive = false, keep_going = false;
  std::string shard, progress = "auto";
  std::uint64_t max_pixels = DecodeLimits().max_pixels;
  std::uint64_t memory_mib = 512;
  bool copy = false;
};
void add_batch_options(CLI::App& command, BatchOptions& options);

/// Mode, stride, threads and ISA. Errors: invalid_argument naming the option; those of compute_options.
Result<SegmenterOptions> segmenter_options(const BatchOptions& options);

/// What --memory says.
std::uint64_t memory_bytes(const BatchOptions& options);

/// Where no --mode was given, that in which the authors of the weights test; in windows, their stride.
void follow_protocol(const Model& model, const BatchOptions& options, SegmenterOptions& segmenter);

/// How --copy has the model loaded.
LoadOptions load_options(const BatchOptions& options);

/// The part that --shard names, with what the environment says of an array job; all without it.
/// Errors    invalid_argument.
Result<Shard> chosen_shard(const BatchOptions& options);

}  // namespace lemore::cli
