#pragma once

#include <cstddef>
#include <optional>

#include "lemore/cpu.h"
#include "lemore/parallel.h"
// Last:
#include "lemore/push_macros.h"

namespace lemore {

/// Supplies the large memory (activations, buffers of label maps, a Segmenter's windows), for programs that manage
/// memory themselves. Both functions must be set and must not throw. They are called by create(), resize(), the
/// destructor, and Segmenter::segment() when an image needs more memory than before; by nothing else.
struct Allocator {
  /// Returns `bytes` (at least 1) aligned to `alignment` (k_alignment), or null if there is not enough memory.
  void* (*allocate)(void* context, std::size_t bytes, std::size_t alignment) = nullptr;
  /// Takes back memory from allocate; `bytes` is the same as there.
  void (*release)(void* context, void* memory, std::size_t bytes) = nullptr;
  void* context = nullptr;
};

/// What a network computes on: threads, instruction set and memory. SessionOptions and SegmenterOptions begin with it.
struct ComputeOptions {
  /// Number of threads of the session's own ThreadPool; 0 means default_threads(). Ignored if parallel_for is set.
  int threads = 0;
  /// The caller's threads. If set, the session starts none.
  std::optional<ParallelFor> parallel_for;
  /// Default: what LEMORE_ISA in the environment names, else the best ISA of this CPU.
  std::optional<Isa> isa;
  /// Memory for all buffers, aligned to k_alignment. Null: allocated.
  void* arena = nullptr;
  /// Size of `arena`: at least what Session::arena_bytes or Segmenter::arena_bytes says for these options.
  std::size_t arena_bytes = 0;
  /// Allocates the buffers if `arena` is null. Default: operator new.
  std::optional<Allocator> allocator;
};

}  // namespace lemore

#include "lemore/pop_macros.h"
