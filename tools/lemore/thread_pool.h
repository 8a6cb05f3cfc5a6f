#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "lemore/parallel.h"

namespace lemore::cli {

/// Threads for the network that sleep while there is nothing for them to do.
///
/// OpenMP's wait in a busy loop between steps, which is right when the network has the machine to itself. Here images
/// are decoded and written on the same cores meanwhile: on 2 busy cores, 21 CamVid images took 5.1 s with OpenMP's
/// threads and 0.15 s with threads that sleep. These look for work for a few microseconds, giving up their turn each
/// time, and then sleep.
class ThreadPool {
 public:
  /// `threads` in all, the caller's included; 0: as many as this process may use. Fewer where the system gives no more.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// For SessionOptions and SegmenterOptions; valid while the pool lives. One caller at a time.
  ParallelFor parallel_for() noexcept;

 private:
  void run(int tasks, ParallelFor::Body body, void* context);
  void work(int index);
  void do_share(int index);

  int workers_ = 1;
  std::mutex mutex_;
  std::condition_variable has_work_, is_done_;
  std::atomic<unsigned> round_{0};  ///< one more for each run
  std::atomic<int> busy_{0};        ///< helpers that have not finished this round
  bool is_over_ = false;

  // Of the current round; written before round_, read after it.
  int tasks_ = 0;
  ParallelFor::Body body_ = nullptr;
  void* context_ = nullptr;

  std::vector<std::thread> helpers_;
};

}  // namespace lemore::cli
