#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "lemore/status.h"

namespace lemore::cli {

/// One of `count` equal parts of the inputs: those whose place in the list, modulo `count`, is `index`.
struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;

  bool has(std::size_t place) const noexcept { return place % count == index; }
};

/// The value of an environment variable, or null. An empty value counts as none.
using Environment = std::function<const char*(const char*)>;

/// Reads "I/N" with I from 0 to N-1, "auto/N" or "auto".
///
/// auto takes the part from the job that it runs in, the first of these that is there:
///
///   SLURM_ARRAY_TASK_ID    an array of N consecutive ids, wherever they begin. The part is the id modulo N, so it
///                          stays the same when only some of the tasks are submitted again.
///   SLURM_PROCID           a task of srun, one of SLURM_NTASKS.
///   JOB_COMPLETION_INDEX   an indexed job of Kubernetes; N from JOB_COMPLETIONS, which the job has to set.
///
/// auto alone takes N from the job. With an array that is only known when the whole array runs, so arrays with gaps,
/// of one task, or that begin above 1 are refused: they look like tasks that were submitted again.
/// Errors    invalid_argument, with what to write instead.
Result<Shard> parse_shard(const std::string& text, const Environment& environment);

}  // namespace lemore::cli
