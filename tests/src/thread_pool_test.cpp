#include "lemore/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "lemore/session.h"
#include "support/test_model.h"

using namespace lemore;

namespace {

ThreadPool make_pool(int threads) {
  auto pool = ThreadPool::create(threads);
  REQUIRE(pool.ok());
  return std::move(*pool);
}

void count_visit(void* context, int task) {
  ++(*static_cast<std::vector<int>*>(context))[static_cast<std::size_t>(task)];
}

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// Whether a second task came while this one waits.
bool wait_for_two(std::atomic<int>& here) {
  ++here;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (here < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return here >= 2 && std::chrono::steady_clock::now() < end;
}

double process_cpu_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

/// The smallest CPU time of the process over 200 ms, of three tries: another test's leftovers may end meanwhile.
double idle_cpu_ms() {
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    pause_ms(5);
    const double before = process_cpu_ms();
    pause_ms(200);
    least = std::min(least, process_cpu_ms() - before);
  }
  return least;
}

}  // namespace

TEST_CASE("every task runs once, whatever the number of threads", "[pool]") {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool = make_pool(threads);
    REQUIRE(pool.threads() == threads);
    const ParallelFor parallel = pool.parallel_for();
    CHECK(parallel.workers == threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<int> visits(static_cast<std::size_t>(round % 17));  // fewer tasks than threads, and more
      if (round % 100 == 50) pause_ms(2);                             // the helpers are asleep
      parallel.run(parallel.context, static_cast<int>(visits.size()), count_visit, &visits);
      REQUIRE(visits == std::vector<int>(visits.size(), 1));
    }
  }
}

TEST_CASE("tasks run at the same time, on the pool's threads", "[pool]") {
  ThreadPool pool = make_pool(3);
  const ParallelFor parallel = pool.parallel_for();
  for (int round = 0; round < 20; ++round) {
    if (round % 5 == 0) pause_ms(2);
    struct Meeting {
      std::atomic<int> here{0}, met{0};
    } meeting;
    parallel.run(
        parallel.context, 2,
        [](void* context, int) {
          auto& m = *static_cast<Meeting*>(context);
          if (wait_for_two(m.here)) ++m.met;
        },
        &meeting);
    REQUIRE(meeting.met == 2);  // one thread alone meets nobody
  }
}

TEST_CASE("what the tasks wrote is there when run returns", "[pool]") {
  ThreadPool pool = make_pool(4);
  const ParallelFor parallel = pool.parallel_for();
  std::vector<int> visits(4);  // no atomics: the pool orders them
  for (int round = 1; round <= 2000; ++round) {
    parallel.run(parallel.context, 4, count_visit, &visits);
    REQUIRE(visits == std::vector<int>(4, round));
  }
}

TEST_CASE("an idle pool uses no CPU", "[pool]") {
  ThreadPool pool = make_pool(4);
  const ParallelFor parallel = pool.parallel_for();
  std::vector<int> visits(4);
  parallel.run(parallel.context, 4, count_visit, &visits);
  CHECK(idle_cpu_ms() < 5);
}

TEST_CASE("an idle session uses no CPU, and keeps its threads when it is resized", "[pool]") {
  const Model model = test::tiny_model();
  SessionOptions options;
  options.threads = 3;
  auto session = Session::create(model, options);
  REQUIRE(session.ok());
  REQUIRE(session->threads() == 3);
  const auto image = test::random_image({64, 64}, PixelFormat::rgb, 1);
  REQUIRE(session->run(image.view()).ok());
  CHECK(idle_cpu_ms() < 5);
  REQUIRE(session->resize({48, 80}).ok());
  REQUIRE(session->threads() == 3);
  REQUIRE(session->run(image.view()).ok());
  CHECK(idle_cpu_ms() < 5);
}

TEST_CASE("a second caller and a nested one compute alone", "[pool]") {
  ThreadPool pool = make_pool(2);
  const ParallelFor parallel = pool.parallel_for();
  struct Nested {
    const ParallelFor* parallel;
    std::vector<std::vector<int>> visits{2, std::vector<int>(5)};
  } nested{&parallel};
  parallel.run(
      parallel.context, 2,
      [](void* context, int task) {
        auto& n = *static_cast<Nested*>(context);
        n.parallel->run(n.parallel->context, 5, count_visit, &n.visits[static_cast<std::size_t>(task)]);
      },
      &nested);
  for (const auto& visits : nested.visits) REQUIRE(visits == std::vector<int>(5, 1));

  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&parallel, &wrong] {
      for (int round = 0; round < 500; ++round) {
        std::vector<int> visits(3);
        parallel.run(parallel.context, 3, count_visit, &visits);
        if (visits != std::vector<int>(3, 1)) ++wrong;
      }
    });
  for (std::thread& caller : callers) caller.join();
  REQUIRE(wrong == 0);
}

TEST_CASE("pools that were moved, never used or empty", "[pool]") {
  { const ThreadPool unused = make_pool(4); }
  ThreadPool empty;
  REQUIRE(empty.threads() == 1);
  std::vector<int> visits(6);
  ParallelFor parallel = empty.parallel_for();
  REQUIRE(parallel.workers == 1);
  parallel.run(parallel.context, 6, count_visit, &visits);
  REQUIRE(visits == std::vector<int>(6, 1));

  ThreadPool first = make_pool(3);
  parallel = first.parallel_for();
  ThreadPool second = std::move(first);
  parallel.run(parallel.context, 6, count_visit, &visits);
  REQUIRE(visits == std::vector<int>(6, 2));
  second = ThreadPool();  // ends the helpers
  REQUIRE(second.threads() == 1);
  REQUIRE(make_pool(-5).threads() == default_threads());
}

#if defined(__linux__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST_CASE("where the system starts no more threads, a pool has fewer and works", "[pool]") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  // Address space for a few stacks more than there is now; root is not held by RLIMIT_NPROC.
  std::size_t pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%zu", &pages) != 1) pages = 0;
    std::fclose(statm);
  }
  REQUIRE(pages > 0);
  rlimit tight = before;
  tight.rlim_cur = pages * 4096 + (std::size_t{64} << 20);
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  rlimit held{};
  REQUIRE(getrlimit(RLIMIT_AS, &held) == 0);
  if (held.rlim_cur != tight.rlim_cur) return;  // qemu-user sets no such limit
  auto pool = ThreadPool::create(200);
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  REQUIRE(pool.ok());
  CHECK(pool->threads() < 200);
  CHECK(pool->threads() >= 1);
  const ParallelFor parallel = pool->parallel_for();
  std::vector<int> visits(300);
  parallel.run(parallel.context, 300, count_visit, &visits);
  REQUIRE(visits == std::vector<int>(300, 1));
}
#endif

TEST_CASE("helpers leave a program's signals to its own threads", "[pool]") {
  ThreadPool pool = make_pool(2);
  const ParallelFor parallel = pool.parallel_for();
  struct Masks {
    pthread_t caller = pthread_self();
    std::atomic<int> helpers{0}, open{0}, here{0};
  } masks;
  for (int round = 0; round < 20 && masks.helpers == 0; ++round) {
    masks.here = 0;
    parallel.run(
        parallel.context, 2,
        [](void* context, int) {
          auto& m = *static_cast<Masks*>(context);
          wait_for_two(m.here);  // so that the caller does not do both
          if (pthread_equal(m.caller, pthread_self())) return;
          sigset_t mask;
          pthread_sigmask(SIG_SETMASK, nullptr, &mask);
          ++m.helpers;
          for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1}) m.open += sigismember(&mask, signal) == 0;
        },
        &masks);
  }
  CHECK(masks.helpers > 0);
  CHECK(masks.open == 0);
  sigset_t own;
  REQUIRE(pthread_sigmask(SIG_SETMASK, nullptr, &own) == 0);
  CHECK(sigismember(&own, SIGINT) == 0);  // the caller's mask is as it was
}
