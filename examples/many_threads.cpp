// One model, many threads: each has a session of its own size and one thread; the weights are there once.
// many_threads MODEL prints what each thread's middle pixel is, the same as one thread alone says.
#include <cstdio>
#include <thread>
#include <vector>

#include "lemore/segmenter.h"

namespace {

// What one thread of a server does with its image: a grey gradient as wide as `width`.
std::vector<unsigned char> segment(const lemore::Model& model, int width) {
  const lemore::Size size{240, width};
  const auto row = static_cast<std::size_t>(width);
  std::vector<unsigned char> pixels(240 * row), labels(240 * row);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<unsigned char>(255 - i / row);
  lemore::SegmenterOptions options;
  options.mode = lemore::Mode::native;
  options.threads = 1;  // the threads are the server's
  auto segmenter = lemore::Segmenter::create(model, options);
  if (!segmenter.ok()) return {};
  const auto status =
      segmenter->segment({pixels.data(), size, row, lemore::PixelFormat::gray}, {labels.data(), size, row});
  return status.ok() ? labels : std::vector<unsigned char>();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: many_threads MODEL\n"), 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;

  constexpr int k_threads = 8;
  std::vector<std::vector<unsigned char>> labels(k_threads);
  std::vector<std::thread> threads;
  for (int i = 0; i < k_threads; ++i)
    threads.emplace_back([&, i] { labels[static_cast<std::size_t>(i)] = segment(*model, 160 + 16 * i); });
  for (std::thread& thread : threads) thread.join();

  for (int i = 0; i < k_threads; ++i) {
    const auto& together = labels[static_cast<std::size_t>(i)];
    if (together.empty()) return std::fprintf(stderr, "thread %d failed\n", i), 1;
    const bool same = together == segment(*model, 160 + 16 * i);
    std::printf("thread %d, 240x%d: the middle is %s, %s\n", i, 160 + 16 * i,
                model->classes()[together[together.size() / 2]].name.c_str(), same ? "as alone" : "not as alone");
    if (!same) return 1;
  }
}
