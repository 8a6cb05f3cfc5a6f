#include "support/allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
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
std::atomic<std::ptrdiff_t> g_live{0}, g_live_bytes{0};
std::atomic<std::size_t> g_until_failure{SIZE_MAX};  // SIZE_MAX: none fails; SIZE_MAX - 1: one has
}  // namespace

namespace lemore::test {

std::size_t allocations() { return g_allocations; }
std::size_t allocated_bytes() { return g_bytes; }
std::ptrdiff_t live_allocations() { return g_live; }
std::ptrdiff_t live_bytes() { return g_live_bytes; }
void fail_allocation(std::size_t n) { g_until_failure = n; }
bool allocation_failed() { return g_until_failure.exchange(SIZE_MAX) == SIZE_MAX - 1; }
bool allocations_are_counted() { return LEMORE_COUNT_ALLOCATIONS != 0; }

}  // namespace lemore::test

#if LEMORE_COUNT_ALLOCATIONS

#include <malloc.h>

// The program's own allocator entry points, in front of glibc's.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

// Counts an allocation; whether it is the one that is to fail.
bool count(std::size_t bytes) {
  ++g_allocations;
  g_bytes += bytes;
  std::size_t left = g_until_failure;
  while (left < SIZE_MAX - 1 && !g_until_failure.compare_exchange_weak(left, left == 0 ? SIZE_MAX - 1 : left - 1)) {
  }
  if (left == 0) errno = ENOMEM;
  return left == 0;
}

std::ptrdiff_t size_of(void* p) { return static_cast<std::ptrdiff_t>(malloc_usable_size(p)); }

void* live(void* p) {
  if (p != nullptr) ++g_live;
  g_live_bytes += size_of(p);
  return p;
}

}  // namespace

extern "C" {
void* malloc(std::size_t n) { return count(n) ? nullptr : live(__libc_malloc(n)); }
void* calloc(std::size_t n, std::size_t m) { return count(n * m) ? nullptr : live(__libc_calloc(n, m)); }
void* realloc(void* old, std::size_t n) {
  if (count(n)) return nullptr;
  const std::ptrdiff_t before = size_of(old);
  void* p = __libc_realloc(old, n);
  if (old == nullptr) return live(p);
  if (p != nullptr) g_live_bytes += size_of(p) - before;
  return p;
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  return count(n) ? nullptr : live(__libc_memalign(alignment, n));
}
void* memalign(std::size_t alignment, std::size_t n) {
  return count(n) ? nullptr : live(__libc_memalign(alignment, n));
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) {
  void* p = count(n) ? nullptr : live(__libc_memalign(alignment, n));
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}
void free(void* p) {
  if (p != nullptr) --g_live;
  g_live_bytes -= size_of(p);
  __libc_free(p);
}
}

#endif
