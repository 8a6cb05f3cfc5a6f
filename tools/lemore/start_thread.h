#pragma once

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lemore::cli {

/// Starts a thread that runs `body`. False where the system starts no more (ulimit -u, a cgroup's limit of processes):
/// the work has to go on with the threads there are.
template <typename Body>
bool start_thread(std::vector<std::thread>& threads, Body&& body) {
  try {
    threads.emplace_back(std::forward<Body>(body));
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace lemore::cli
