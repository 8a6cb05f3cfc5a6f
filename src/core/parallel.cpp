#include "lemore/parallel.h"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>

#include <cstdio>
#endif

#include <algorithm>
#include <cstdint>

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

#if defined(__linux__)
// Whole cores of the cgroup's CPU quota (v2, then v1), or 0 where there is none.
int quota_cores() noexcept {
  long long quota = 0, period = 0;
  if (std::FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(f, "%lld %lld", &quota, &period) != 2) quota = 0;  // "max 100000": no limit
    std::fclose(f);
  } else {
    if (std::FILE* q = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
      if (std::fscanf(q, "%lld", &quota) != 1) quota = 0;
      std::fclose(q);
    }
    if (std::FILE* p = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
      if (std::fscanf(p, "%lld", &period) != 1) period = 0;
      std::fclose(p);
    }
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::max(1LL, quota / period));
}
#endif

#endif  // _OPENMP

}  // namespace

ParallelFor serial_parallel_for() noexcept { return {run_serial, nullptr, 1}; }

#if defined(_OPENMP)

ParallelFor openmp_parallel_for(int threads) noexcept {
  if (threads <= 1) return serial_parallel_for();
  return {run_openmp, reinterpret_cast<void*>(static_cast<std::intptr_t>(threads)), threads};
}

int default_threads() noexcept {
#if defined(__linux__)
  int cores = omp_get_num_procs();
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  if (const int quota = quota_cores()) cores = std::min(cores, quota);
  return std::max(1, cores);
#else
  return std::max(1, omp_get_num_procs());
#endif
}

#else

ParallelFor openmp_parallel_for(int) noexcept { return serial_parallel_for(); }
int default_threads() noexcept { return 1; }

#endif

}  // namespace lemore
