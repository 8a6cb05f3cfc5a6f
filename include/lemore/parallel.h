#pragma once

#include "lemore/export.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// How a session runs its work on several threads: a lemore::ThreadPool's, OpenMP's or the caller's own.
///
/// `run` must call body(body_context, i) exactly once for every i in 0..tasks-1, on any threads, in any order, and
/// return when all are done. lemore gives it at most `workers` tasks at a time, and the results have the same bits
/// whatever the number of threads. Requires `run` to be callable from the thread that runs the session; it must not
/// throw.
struct ParallelFor {
  using Body = void (*)(void* body_context, int task);

  void (*run)(void* context, int tasks, Body body, void* body_context) = nullptr;
  void* context = nullptr;
  int workers = 1;
};

/// OpenMP's threads, `threads` of them, for programs that use OpenMP themselves and want no second pool; serial where
/// lemore was built without OpenMP. Requires threads >= 1. They wait for work in a busy loop: on cores that others use
/// too, a lemore::ThreadPool is far faster. GNU's runtime allocates nothing after the first run; LLVM's allocates a
/// little in each parallel region.
LEMORE_API ParallelFor openmp_parallel_for(int threads) noexcept;

/// Everything on the calling thread.
LEMORE_API ParallelFor serial_parallel_for() noexcept;

/// Cores this process may use: CPU affinity and the CPU quota of its cgroup and those above it considered. At least 1.
LEMORE_API int default_threads() noexcept;

}  // namespace lemore

#include "lemore/pop_macros.h"
