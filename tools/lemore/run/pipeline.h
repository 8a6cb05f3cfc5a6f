#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "image_io/decode.h"
#include "progress.h"
#include "run/engine.h"
#include "run/inputs.h"
#include "run/manifest.h"
#include "run/output_kinds.h"
#include "run/writer.h"

namespace lemore::cli {

struct PipelineOptions {
  DecodeLimits limits;
  bool keep_going = false;
  bool resume = false;
  int helpers = 1;  ///< decoding threads, and as many writing ones
};

/// What became of a run.
struct RunSummary {
  std::size_t done = 0, failed = 0, skipped = 0;
  bool was_interrupted = false;
  Status fatal;    ///< the manifest could not be written
  JobTimes times;  ///< summed over images
  double seconds = 0;
};

/// Decodes, computes and writes `inputs`, all three at once: decoding threads -> the network on the calling thread ->
/// writing threads, with a fixed number of jobs between them, so memory does not grow with the number of images.
///
/// Order     images reach the network, the manifest, the progress and the error messages in the order of `inputs`.
/// Failure   is told as "lemore: FILE: what is wrong"; without keep_going the first one ends the run.
/// Stopping  when `stop` becomes true no further image is begun; those under way are finished.
class Pipeline {
 public:
  Pipeline(const std::vector<Input>& inputs, const OutputNames& names, const OutputKinds& kinds,
           const PipelineOptions& options, Engine& engine, const Writer& writer, Progress& progress, Manifest* manifest,
           const std::atomic<bool>& stop);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  RunSummary run();

 private:
  struct State;
  std::vector<Input> const& inputs_;
  const OutputNames& names_;
  const OutputKinds kinds_;
  const PipelineOptions options_;
  Engine& engine_;
  const Writer& writer_;
  Progress& progress_;
  Manifest* manifest_;
  const std::atomic<bool>& stop_;

  std::unique_ptr<State> state_;

  void decode_loop();
  void network_loop();
  void write_loop();
  Status decode(Job& job) const;
  bool is_finished(const std::string& stem) const;
  void settle(Job& job);
  void report_next();
};

}  // namespace lemore::cli
