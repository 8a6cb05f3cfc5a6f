#include "support/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LEMORE_COUNT_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LEMORE_COUNT_ALLOCATIONS 0
#endif
#endif
#if !defined(LEMORE_COUNT_ALLOCATIONS)
#if defined(__GLIBC__)
#define LEMORE_COUNT_ALLOCATIONS 1
#else
#define LEMORE_COUNT_ALLOCATIONS 0
#endif
#endif

namespace {
std::atomic<std::size_t> g_allocations{0}, g_bytes{0};
}

namespace lemore::test {

std::size_t allocations() { return g_allocations; }
std::size_t allocated_bytes() { return g_bytes; }
bool allocations_are_counted() { return LEMORE_COUNT_ALLOCATIONS != 0; }

}  // namespace lemore::test

#if LEMORE_COUNT_ALLOCATIONS

// The program's own allocator entry points, in front of glibc's.
namespace {
void count(std::size_t bytes) {
  ++g_allocations;
  g_bytes += bytes;
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) {
  count(n);
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t m) {
  count(n * m);
  return __libc_calloc(n, m);
}
void* realloc(void* p, std::size_t n) {
  count(n);
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  count(n);
  return __libc_memalign(alignment, n);
}
void* memalign(std::size_t alignment, std::size_t n) {
  count(n);
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) {
  count(n);
  void* p = __libc_memalign(alignment, n);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}
}

#endif
