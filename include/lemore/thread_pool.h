#pragma once

#include <memory>

#include "lemore/export.h"
#include "lemore/parallel.h"
#include "lemore/status.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

namespace detail {
struct ThreadPoolData;
}

/// Threads that share the work of a session and sleep while there is none.
///
/// A session without a `parallel_for` makes its own. Make one yourself to share it between sessions that take turns, or
/// to keep its threads while sessions come and go:
///
///     auto pool = lemore::ThreadPool::create(2);
///     options.parallel_for = pool->parallel_for();
///
/// After a piece of work a thread looks for the next one for at most k_look_us microseconds and then sleeps, so an idle
/// pool uses no CPU. The caller does not wait for a helper that wakes up late but does its share itself. All signals
/// are blocked in the helpers, so a program's signal handlers run on its own threads. After a fork() the child has none
/// of the helpers and must not use the pool.
class LEMORE_API ThreadPool {
 public:
  static constexpr int k_max_threads = 1024;
  static constexpr int k_look_us = 40;

  /// A pool of `threads` threads, of which the caller's is one; 0 means default_threads(). Values outside
  /// 0..k_max_threads are clamped. If the system refuses to start more threads, the pool has those that were started.
  /// Errors    out_of_memory.
  static Result<ThreadPool> create(int threads = 0);

  /// A pool of one thread, the caller's.
  ThreadPool() noexcept;
  ThreadPool(ThreadPool&&) noexcept;
  ThreadPool& operator=(ThreadPool&&) noexcept;
  /// Stops and joins the helpers. Requires that nothing runs on the pool.
  ~ThreadPool();

  /// Number of threads, the caller's included.
  int threads() const noexcept;

  /// What to put into SessionOptions and SegmenterOptions. It stays valid while the pool lives, also when the pool is
  /// moved to another ThreadPool object.
  /// Thread-safety    the pool serves one caller at a time; a second caller, or a call from inside a task, runs on the
  ///                  calling thread alone.
  ParallelFor parallel_for() noexcept;

 private:
  explicit ThreadPool(std::unique_ptr<detail::ThreadPoolData> data) noexcept;
  std::unique_ptr<detail::ThreadPoolData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
