// A board without files and, once it runs, without a heap: the model is a read-only array that `lemore embed` wrote,
// the arena is an array of this program. It may open no file, and it counts its allocations.
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "lemore/session.h"
#if defined(EMBEDDED_OBJECT)
extern "C" {
extern const unsigned char lemore_model[];
extern const std::size_t lemore_model_size;
}
#else
#include "embedded_model.h"
#endif

namespace {

constexpr int k_height = 48, k_width = 64;
alignas(lemore::k_alignment) unsigned char g_arena[512 * 1024];
std::uint8_t g_gray[k_height * k_width], g_labels[k_height * k_width];
std::size_t g_allocations = 0;

}  // namespace

// glibc's allocator behind a counter.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) { return ++g_allocations, __libc_malloc(n); }
void* aligned_alloc(std::size_t alignment, std::size_t n) { return ++g_allocations, __libc_memalign(alignment, n); }
}

int main() {
  const rlimit no_files{0, 0};
  if (setrlimit(RLIMIT_NOFILE, &no_files) != 0) return std::perror("setrlimit"), 1;

  const auto model = lemore::Model::from_memory(lemore_model, lemore_model_size, false);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  lemore::SessionOptions options;
  options.parallel_for = lemore::serial_parallel_for();
  options.arena = g_arena;
  options.arena_bytes = sizeof(g_arena);
  auto session = lemore::Session::create(*model, options);
  if (!session.ok()) return std::fprintf(stderr, "%s\n", session.status().message().c_str()), 1;
  const lemore::ImageView image{g_gray, {k_height, k_width}, k_width, lemore::PixelFormat::gray};
  const lemore::LabelView labels{g_labels, {k_height, k_width}, k_width};

  std::size_t before = 0;
  for (int frame = 0; frame < 4; ++frame) {
    for (int i = 0; i < k_height * k_width; ++i) g_gray[i] = static_cast<std::uint8_t>(i * (frame + 3));
    lemore::Status status = session->run(image);
    if (status.ok()) status = session->label_map(labels);
    if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;
    if (frame == 0) before = g_allocations;  // the first one makes room for this size of image
  }
  const std::size_t later = g_allocations - before;
  std::printf("%zu allocations in three frames; arena: %zu of %zu bytes\n", later, session->arena_bytes(),
              sizeof(g_arena));
  return later == 0 ? 0 : 1;
}
