#pragma once

#include "lemore/export.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// The threads a session computes on: those of a lemore::ThreadPool, OpenMP's, or the caller's own.
///
/// `run` must call body(body_context, i) exactly once for every i in 0..tasks-1, on any threads and in any order, and
/// must return when all calls have returned. It is called from the thread that runs the session, with at most `workers`
/// tasks, and must not throw. The results have the same bits for any number of threads.
struct ParallelFor {
  using Body = void (*)(void* body_context, int task);

  void (*run)(void* context, int tasks, Body body, void* body_context) = nullptr;
  void* context = nullptr;
  int workers = 1;
};

/// Runs on `threads` of OpenMP's threads, for programs that use OpenMP themselves and want no second pool.
///
/// If lemore was built without OpenMP (LEMORE_OPENMP=OFF, the default), everything runs on the calling thread.
/// OpenMP's threads wait for work in a busy loop, so on cores that other programs use a lemore::ThreadPool is much
/// faster. GNU's runtime allocates nothing after the first run; LLVM's allocates a little in each parallel region.
/// Requires threads >= 1.
LEMORE_API ParallelFor openmp_parallel_for(int threads) noexcept;

/// Runs everything on the calling thread.
LEMORE_API ParallelFor serial_parallel_for() noexcept;

/// Number of cores this process may use, at least 1: limited by its CPU affinity and by the CPU quotas of its cgroups.
LEMORE_API int default_threads() noexcept;

}  // namespace lemore

#include "lemore/pop_macros.h"
