#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

struct Record;

struct PipelineOptions {
  DecodeLimits limits;
  bool keep_going = false;
  bool resume = false;
  int helpers = 1;                  ///< decoding threads, and as many writing ones
  std::uint64_t memory_bytes = 0;   ///< that images in flight may take; one image is always let in
  std::uint64_t bytes_a_pixel = 0;  ///< of an image on its way: its pixels, labels and what is made of them
};

/// What became of a run.
struct RunSummary {
  std::size_t done = 0, failed = 0, skipped = 0;
  std::size_t again = 0;  ///< among those done: they had outputs, of another image
  bool was_interrupted = false;
  Status fatal;    ///< the manifest could not be written
  JobTimes times;  ///< summed over images
  double seconds = 0;
};

/// Decodes, computes and writes `inputs`, all three at once: decoding threads -> the network on the calling thread ->
/// writing threads. Where the system starts no threads, the calling thread does their work too.
///
/// Order     images reach the network, the manifest, the progress and the error messages in the order of `inputs`.
/// Memory    a fixed number of jobs go round, and images are let in by size, in order, while `memory_bytes` last:
///           memory grows neither with the number of images nor, beyond one image, with their size.
/// Failure   is told as "lemore: FILE: what is wrong"; without keep_going the first one ends the run.
/// Stopping  after a stop signal (stop.h) no image is begun and nothing is waited for; the image in the network and
///           those being written are finished. A thread that is still stuck in the file system then is left behind: the
///           caller has to end the process (`was_interrupted`) before the pipeline is destroyed.
class Pipeline {
 public:
  Pipeline(const std::vector<Input>& inputs, const OutputNames& names, const OutputKinds& kinds,
           const PipelineOptions& options, Engine& engine, const Writer& writer, Progress& progress,
           Manifest* manifest);
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

  std::unique_ptr<State> state_;

  Job* take_next();
  bool decode_next();
  Status decode(Job& job);
  Status admit(Job& job, std::uint64_t pixels);
  void pass(std::size_t place);
  Job* next_for_network(std::size_t place);
  void network_loop();
  void write(Job& job);
  void write_loop();
  void interrupt_at(std::size_t place);
  void settle(Job& job);
  void release(Job& job);
  void report_next();
  std::string manifest_line(const Input& input, const Record& record) const;
};

}  // namespace lemore::cli
