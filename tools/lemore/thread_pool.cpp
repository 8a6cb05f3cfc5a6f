#include "thread_pool.h"

#include <chrono>
#include <system_error>

namespace lemore::cli {

namespace {

/// How long a thread looks before it sleeps: a few times what waking one costs, and less than most steps take.
constexpr std::chrono::microseconds k_look{40};

template <typename Condition>
bool look_for(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + k_look;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  const int wanted = threads > 0 ? threads : default_threads();
  helpers_.reserve(static_cast<std::size_t>(wanted));
  try {
    for (int index = 1; index < wanted; ++index) {
      helpers_.emplace_back([this, index] { work(index); });
      workers_ = index + 1;
    }
  } catch (const std::system_error&) {
    // The system has no more threads; those there are will do.
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    round_.fetch_add(1, std::memory_order_release);
  }
  has_work_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

ParallelFor ThreadPool::parallel_for() noexcept {
  ParallelFor result;
  result.run = [](void* self, int tasks, ParallelFor::Body body, void* context) {
    static_cast<ThreadPool*>(self)->run(tasks, body, context);
  };
  result.context = this;
  result.workers = workers_;
  return result;
}

void ThreadPool::do_share(int index) {
  for (int task = index; task < tasks_; task += workers_) body_(context_, task);
}

void ThreadPool::run(int tasks, ParallelFor::Body body, void* context) {
  tasks_ = tasks;
  body_ = body;
  context_ = context;
  if (tasks <= 1 || workers_ == 1) {
    for (int task = 0; task < tasks; ++task) body(context, task);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    busy_.store(workers_ - 1, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
  }
  has_work_.notify_all();
  do_share(0);
  const auto all_done = [this] { return busy_.load(std::memory_order_acquire) == 0; };
  if (look_for(all_done)) return;
  std::unique_lock lock(mutex_);
  is_done_.wait(lock, all_done);
}

void ThreadPool::work(int index) {
  unsigned seen = 0;
  for (;;) {
    const auto has_round = [this, &seen] { return round_.load(std::memory_order_acquire) != seen; };
    if (!look_for(has_round)) {
      std::unique_lock lock(mutex_);
      has_work_.wait(lock, has_round);
    }
    ++seen;
    if (is_over_) return;
    do_share(index);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const std::lock_guard lock(mutex_);
      is_done_.notify_one();
    }
  }
}

}  // namespace lemore::cli
