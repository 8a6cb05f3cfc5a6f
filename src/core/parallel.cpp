#include "lemore/parallel.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <cstdint>

#include "core/cpu_count.h"

namespace lemore {

namespace {

void run_serial(void*, int tasks, ParallelFor::Body body, void* body_context) {
  for (int i = 0; i < tasks; ++i) body(body_context, i);
}

#if defined(_OPENMP)
void run_openmp(void* context, int tasks, ParallelFor::Body body, void* body_context) {
  const int threads = std::min(tasks, static_cast<int>(reinterpret_cast<std::intptr_t>(context)));
  if (threads <= 1) return run_serial(nullptr, tasks, body, body_context);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
  for (int i = 0; i < tasks; ++i) body(body_context, i);
}
#endif

}  // namespace

ParallelFor serial_parallel_for() noexcept { return {run_serial, nullptr, 1}; }

#if defined(_OPENMP)
ParallelFor openmp_parallel_for(int threads) noexcept {
  if (threads <= 1) return serial_parallel_for();
  return {run_openmp, reinterpret_cast<void*>(static_cast<std::intptr_t>(threads)), threads};
}
#else
ParallelFor openmp_parallel_for(int) noexcept { return serial_parallel_for(); }
#endif

int default_threads() noexcept {
  const int cores = core::affinity_cores();
  const int quota = core::cgroup_quota_cores("");
  return quota > 0 ? std::min(cores, quota) : cores;
}

}  // namespace lemore
