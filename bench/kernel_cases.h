#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/table.h"

namespace lemore::bench {

// Calls of kernels as lines of numbers, recorded from a network's run and made again on memory of their own. The
// contract of every kernel (kernels/ops/*.h) has a function template for this:
//   template <class Call> void describe(Call& call, Arguments& a);
// It tells, in this order,
//   call.number("c", a.c)                  a number, a flag or an activation, by its name in a shapes file
//   call.rows(a.row_begin, a.row_end)      "rows": a share of rows, recorded without where it begins
//   call.taps("h", a.taps_y, begin, end)   the same of resize taps by the rows of x they reach, which it returns
//   call.taps_of(a.taps_x, w, out_w)       taps of a whole axis
//   call.memory(a.x, n)                    what a pointer needs, with values in -1..1 or in a range that follows
//   call.optional("bias", a.bias, n)       the same of one that may be null
//   call.logits(a.logits, h, w, classes)   random, or smooth over the map if the shape has smooth=1
//   call.work(macs, bytes)                 multiply-accumulates, 0 where a kernel does something else; bytes that must
//                                          be read or written at least once
// and sets the strides of dense memory.

/// The numbers of one call of a kernel, as a line of a shapes file has them: "gemm m=4096 n=96 k=16 packed=1 bias=1".
struct KernelShape {
  std::string kernel;
  std::vector<std::pair<std::string, std::size_t>> numbers;

  std::string text() const;
  /// 0 where there is no such number.
  std::size_t operator[](std::string_view name) const;
};

/// A call of a kernel on memory of its own.
struct KernelCase {
  std::function<void(const kernels::KernelTable&)> run;
  std::uint64_t macs = 0;   ///< multiply-accumulates; 0 where a kernel does something else
  std::uint64_t bytes = 0;  ///< that must be read or written at least once
};

/// One line of a shapes file, "calls=3 gemm m=4096 ...", or false with `error` set. Numbers that are 0 are left out;
/// their order is free.
bool parse_shape(const std::string& line, KernelShape& shape, std::size_t& calls, std::string& error);

/// A case of a shape that parse_shape or the recorder made.
KernelCase make_case(const KernelShape& shape);

/// A table whose kernels hand the shape of each call to `note`, then do what `real`'s do. One at a time.
kernels::KernelTable recording_table(const kernels::KernelTable& real, std::function<void(const KernelShape&)> note);

}  // namespace lemore::bench
