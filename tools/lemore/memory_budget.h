#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace lemore::cli {

/// Most bytes that each of `holders` (at least one) keeps for its next image. Those that held more give their memory
/// back, so that a few huge images do not stay with a run, and all together keep within the budget.
constexpr std::uint64_t kept_bytes(std::uint64_t budget, std::size_t holders) noexcept {
  constexpr std::uint64_t k_most = std::uint64_t{32} << 20;
  return budget / holders < k_most ? budget / holders : k_most;
}

/// Bytes that the images in flight may take together, shared by threads that each finish an image without waiting for
/// another thread's.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t bytes) : bytes_(bytes) {}

  /// Waits until `bytes` more fit, or until nothing is held: one image is always let in.
  void take(std::uint64_t bytes) {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return held_ == 0 || (held_ <= bytes_ && bytes <= bytes_ - held_); });
    held_ += bytes;
  }

  void give_back(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    held_ -= bytes;
    freed_.notify_all();
  }

 private:
  const std::uint64_t bytes_;
  std::uint64_t held_ = 0;
  std::mutex mutex_;
  std::condition_variable freed_;
};

}  // namespace lemore::cli
