#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ops/resize.h"
#include "ops/ops.h"

/// What the sources of ops share: how a step is checked and divided.
namespace lemore::ops {

/// Rows of a share that are worth a thread's start, when a row takes so many multiply-accumulates or elements.
std::size_t grain(std::size_t work_per_row);

/// Fails the plan unless `condition`.
void require(const Graph& g, bool condition, const Name& name, const char* what);

/// A constant of the taps of the resize src -> dst, and where they lie.
Value taps(const Graph& g, std::size_t src, std::size_t dst);
const kernels::ResizeTap* taps_at(const plan::Runtime& r, const Value& v);

/// sum (+)= x, `n` values.
void add_rows(const plan::Runtime& r, const float* x, std::size_t n, bool first, float* sum);

}  // namespace lemore::ops
