#include "lemore/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <utility>

// POSIX threads, not std::thread: a thread that can't be started is a return value there, not an exception.

namespace lemore {

namespace detail {

namespace {

/// Looks between two turns that are given up: about as long as giving one up takes.
constexpr int k_looks_a_turn = 32;

void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// Whether `condition` came true within k_look_us. Gives up its turn again and again: on cores that others use too, the
/// thread that is looked for may be waiting for this very core.
template <typename Condition>
bool look_for(const Condition& condition) noexcept {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::microseconds(ThreadPool::k_look_us);
  do {
    for (int i = 0; i < k_looks_a_turn; ++i) {
      if (condition()) return true;
      pause();
    }
    sched_yield();
  } while (Clock::now() < end);
  return condition();
}

/// A thread sleeps here until a condition holds that another thread makes true.
///
/// Who makes it true first changes the condition, then calls wake(); who sleeps first says so, then looks at the
/// condition. All four are sequentially consistent, so at least one of the two sees the other, and wake() touches the
/// mutex only when somebody sleeps.
class Bed {
 public:
  template <typename Condition>
  void sleep_until(const Condition& condition) noexcept {
    pthread_mutex_lock(&mutex_);
    is_occupied_.store(true, std::memory_order_seq_cst);
    while (!condition()) pthread_cond_wait(&wake_, &mutex_);
    is_occupied_.store(false, std::memory_order_relaxed);
    pthread_mutex_unlock(&mutex_);
  }

  void wake() noexcept {
    if (!is_occupied_.load(std::memory_order_seq_cst)) return;
    pthread_mutex_lock(&mutex_);  // between its look at the condition and its sleep the other holds the mutex
    pthread_mutex_unlock(&mutex_);
    pthread_cond_signal(&wake_);
  }

 private:
  std::atomic<bool> is_occupied_{false};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_ = PTHREAD_COND_INITIALIZER;
};

enum State : std::uint32_t {
  k_free,    ///< nothing to do
  k_posted,  ///< a share that whoever takes it does: the helper, or the caller when the helper is late
  k_taken,   ///< the helper is doing it
  k_over,    ///< the helper ends
};

/// A helper and its share, on cache lines of their own.
struct alignas(128) Helper {
  std::atomic<std::uint32_t> state{k_free};
  Bed bed;
  pthread_t thread{};
  ThreadPoolData* pool = nullptr;
  int index = 0;  ///< 1..threads - 1; the caller is 0
};

}  // namespace

struct ThreadPoolData {
  int threads = 1;
  std::unique_ptr<Helper[]> helpers;  ///< of share 1, 2...

  std::atomic<bool> is_in_use{false};
  Bed bed;  ///< the caller's

  // The work under way: written before a share is posted, read by who has taken one.
  int tasks = 0;
  ParallelFor::Body body = nullptr;
  void* context = nullptr;

  void do_share(int index) const noexcept {
    for (int task = index; task < tasks; task += threads) body(context, task);
  }

  void run(int task_count, ParallelFor::Body task_body, void* task_context) noexcept {
    if (task_count <= 1 || threads == 1 || is_in_use.exchange(true, std::memory_order_acquire)) {
      for (int task = 0; task < task_count; ++task) task_body(task_context, task);
      return;
    }
    tasks = task_count;
    body = task_body;
    context = task_context;
    const int shares = std::min(task_count, threads);
    for (int i = 1; i < shares; ++i) post(helpers[i - 1], k_posted);
    do_share(0);
    for (int i = 1; i < shares; ++i) {
      Helper& helper = helpers[i - 1];
      std::uint32_t expected = k_posted;
      if (helper.state.compare_exchange_strong(expected, k_free, std::memory_order_acquire)) {
        do_share(i);
        continue;
      }
      const auto is_done = [&helper] { return helper.state.load(std::memory_order_seq_cst) == k_free; };
      if (!look_for(is_done)) bed.sleep_until(is_done);
    }
    is_in_use.store(false, std::memory_order_release);
  }

  static void post(Helper& helper, State state) noexcept {
    helper.state.store(state, std::memory_order_seq_cst);
    helper.bed.wake();
  }

  static void* help(void* argument) noexcept {
    Helper& helper = *static_cast<Helper*>(argument);
    const auto has_news = [&helper] {
      const std::uint32_t state = helper.state.load(std::memory_order_seq_cst);
      return state == k_posted || state == k_over;
    };
    for (;;) {
      if (!look_for(has_news)) helper.bed.sleep_until(has_news);
      std::uint32_t state = k_posted;
      if (helper.state.compare_exchange_strong(state, k_taken, std::memory_order_acquire)) {
        helper.pool->do_share(helper.index);
        helper.state.store(k_free, std::memory_order_seq_cst);
        helper.pool->bed.wake();
      } else if (state == k_over) {
        return nullptr;
      }
    }
  }

  /// Starts helpers up to `wanted` threads in all, or as many as the system gives.
  void start(int wanted) noexcept {
    sigset_t all, before;
    sigfillset(&all);
    const bool is_blocked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;  // helpers inherit it
    for (int i = 1; i < wanted; ++i) {
      Helper& helper = helpers[i - 1];
      helper.pool = this;
      helper.index = i;
      if (pthread_create(&helper.thread, nullptr, help, &helper) != 0) break;
      threads = i + 1;
    }
    if (is_blocked) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~ThreadPoolData() {
    for (int i = 1; i < threads; ++i) post(helpers[i - 1], k_over);
    for (int i = 1; i < threads; ++i) pthread_join(helpers[i - 1].thread, nullptr);
  }
};

}  // namespace detail

ThreadPool::ThreadPool() noexcept = default;
ThreadPool::ThreadPool(ThreadPool&&) noexcept = default;
ThreadPool& ThreadPool::operator=(ThreadPool&&) noexcept = default;
ThreadPool::~ThreadPool() = default;
ThreadPool::ThreadPool(std::unique_ptr<detail::ThreadPoolData> data) noexcept : data_(std::move(data)) {}

Result<ThreadPool> ThreadPool::create(int threads) {
  const int wanted = threads > 0 ? std::min(threads, k_max_threads) : default_threads();
  if (wanted == 1) return ThreadPool();
  std::unique_ptr<detail::ThreadPoolData> data(new (std::nothrow) detail::ThreadPoolData);
  if (data != nullptr) data->helpers.reset(new (std::nothrow) detail::Helper[static_cast<std::size_t>(wanted - 1)]);
  // The message is short enough that std::string keeps it inline.
  if (data == nullptr || data->helpers == nullptr) return Status(StatusCode::out_of_memory, "no memory");
  data->start(wanted);
  return ThreadPool(std::move(data));
}

int ThreadPool::threads() const noexcept { return data_ != nullptr ? data_->threads : 1; }

ParallelFor ThreadPool::parallel_for() noexcept {
  if (data_ == nullptr || data_->threads == 1) return serial_parallel_for();
  ParallelFor result;
  result.run = [](void* context, int tasks, ParallelFor::Body body, void* body_context) {
    static_cast<detail::ThreadPoolData*>(context)->run(tasks, body, body_context);
  };
  result.context = data_.get();
  result.workers = data_->threads;
  return result;
}

}  // namespace lemore
