#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "lemore/status.h"

namespace lemore::cli {

/// One of `count` equal parts of the inputs: those whose place in the list leaves `index` when divided by `count`.
struct Shard {
  std::size_t index = 0;
  std::size_t count = 1;

  bool has(std::size_t place) const noexcept { return place % count == index; }
};

/// The value of an environment variable, or null.
using Environment = std::function<const char*(const char*)>;

/// Reads "I/N", "auto" or "auto/N".
///
/// I counts from 0 to N-1 or from 1 to N, as one likes: I = N is the same part as 0, so either way of counting visits
/// every part once. auto takes I and N from the array job it runs in: SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _STEP, or
/// JOB_COMPLETION_INDEX (Kubernetes) with N from JOB_COMPLETIONS or "auto/N".
/// Errors    invalid_argument.
Result<Shard> parse_shard(const std::string& text, const Environment& environment);

}  // namespace lemore::cli
