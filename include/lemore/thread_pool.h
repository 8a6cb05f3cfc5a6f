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

/// Threads that compute together and sleep while there is nothing to do.
///
/// A session without a `parallel_for` owns one. Make your own to share it among sessions that take turns, or to keep it
/// when sessions come and go:
///
///     auto pool = lemore::ThreadPool::create(2);
///     options.parallel_for = pool->parallel_for();
///
/// Between two pieces of work a thread looks for the next one for at most k_look_us microseconds, then sleeps: an idle
/// pool uses no CPU. A helper that is late is not waited for; the caller does its share. All signals are blocked in the
/// helpers, so a program's handlers run on its own threads. In the child of a fork() a pool has no helpers left and
/// must not be used.
class LEMORE_API ThreadPool {
 public:
  static constexpr int k_max_threads = 1024;
  static constexpr int k_look_us = 40;

  /// `threads` in all, the caller's included, so one fewer are started; 0: default_threads(). Values outside
  /// 0..k_max_threads are moved there. Where the system starts no more threads the pool has those it got.
  /// Errors    out_of_memory.
  static Result<ThreadPool> create(int threads = 0);

  /// A pool of the caller alone.
  ThreadPool() noexcept;
  ThreadPool(ThreadPool&&) noexcept;
  ThreadPool& operator=(ThreadPool&&) noexcept;
  /// Ends and joins the helpers. Requires that nothing runs on the pool.
  ~ThreadPool();

  /// Threads there are, the caller's included.
  int threads() const noexcept;

  /// For SessionOptions and SegmenterOptions. Valid while the pool lives, also after the pool was moved from one
  /// ThreadPool to another.
  /// Thread-safety    the pool serves one caller at a time; who calls meanwhile, or from inside a task, computes alone.
  ParallelFor parallel_for() noexcept;

 private:
  explicit ThreadPool(std::unique_ptr<detail::ThreadPoolData> data) noexcept;
  std::unique_ptr<detail::ThreadPoolData> data_;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
