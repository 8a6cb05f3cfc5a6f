#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>

/// What libFuzzer calls, and what replay.cpp calls for each file of a corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// Ends the run where a promise is broken; assert would be silent in a release build.
inline void require(bool holds) {
  if (!holds) std::abort();
}
