#include "thread_pool.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

using namespace lemore;
using namespace lemore::cli;

TEST_CASE("every task runs once, whatever the number of threads", "[pool]") {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    const ParallelFor parallel = pool.parallel_for();
    CHECK(parallel.workers == threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<int> visits(static_cast<std::size_t>(round % 11));
      // Now and then long enough a pause that the helpers are asleep.
      if (round % 100 == 50) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      parallel.run(
          parallel.context, static_cast<int>(visits.size()),
          [](void* context, int task) { ++(*static_cast<std::vector<int>*>(context))[static_cast<std::size_t>(task)]; },
          &visits);
      REQUIRE(visits == std::vector<int>(visits.size(), 1));
    }
  }
}

TEST_CASE("a pool that was never used ends", "[pool]") {
  const ThreadPool pool(4);
  SUCCEED();
}
