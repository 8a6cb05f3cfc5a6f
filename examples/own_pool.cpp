// Your own thread pool computes: own_pool MODEL runs the network on a small std::thread pool and on the calling thread
// alone, and says whether the bits agree.
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "lemore/session.h"

namespace {

// Stands for the pool a program has already: run() gives out tasks and returns when all are done.
class MyPool {
 public:
  explicit MyPool(int threads) {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~MyPool() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    news_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // What lemore calls: body(body_context, i) once for every i in 0..tasks-1.
  static void run(void* self, int tasks, lemore::ParallelFor::Body body, void* body_context) {
    auto& pool = *static_cast<MyPool*>(self);
    std::unique_lock lock(pool.mutex_);
    pool.body_ = body;
    pool.body_context_ = body_context;
    pool.next_ = 0;
    pool.open_ = pool.tasks_ = tasks;
    pool.news_.notify_all();
    while (pool.next_ < pool.tasks_) pool.do_one(lock);  // the caller helps
    pool.done_.wait(lock, [&] { return pool.open_ == 0; });
  }

 private:
  void do_one(std::unique_lock<std::mutex>& lock) {
    const int task = next_++;
    lock.unlock();
    body_(body_context_, task);
    lock.lock();
    if (--open_ == 0) done_.notify_one();
  }
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      news_.wait(lock, [this] { return is_over_ || next_ < tasks_; });
      if (is_over_) return;
      do_one(lock);
    }
  }

  std::mutex mutex_;
  std::condition_variable news_, done_;
  lemore::ParallelFor::Body body_ = nullptr;
  void* body_context_ = nullptr;
  int next_ = 0, tasks_ = 0, open_ = 0;
  bool is_over_ = false;
  std::vector<std::thread> threads_;
};

std::vector<float> logits(const lemore::Model& model, const lemore::ParallelFor& parallel) {
  lemore::SessionOptions options;
  options.parallel_for = parallel;
  auto session = lemore::Session::create(model, options);
  if (!session.ok()) return {};
  std::vector<unsigned char> pixels(100 * 150, 90);
  if (!session->run(lemore::ImageView{pixels.data(), {100, 150}, 150, lemore::PixelFormat::gray}).ok()) return {};
  const lemore::TensorView out = session->logits();
  return {out.f32(), out.f32() + out.shape.elements()};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: own_pool MODEL\n"), 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  MyPool pool(3);
  const auto mine = logits(*model, {MyPool::run, &pool, 3});
  const auto alone = logits(*model, lemore::serial_parallel_for());
  const bool same = !mine.empty() && mine.size() == alone.size() &&
                    std::memcmp(mine.data(), alone.data(), mine.size() * sizeof(float)) == 0;
  std::printf("%zu logits on 3 threads of our own: %s\n", mine.size(), same ? "the same bits" : "they differ");
  return same ? 0 : 1;
}
