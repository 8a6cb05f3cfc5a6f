#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/table.h"

namespace lemore::bench {

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
  double flops = 0;  ///< two a multiply-add; 0 where a kernel does something else
  double bytes = 0;  ///< that must be read or written at least once
};

/// One line of a shapes file, "calls=3 gemm m=4096 ...", or false with `error` set. Numbers that are 0 are left out;
/// their order is free.
bool parse_shape(const std::string& line, KernelShape& shape, std::size_t& calls, std::string& error);

/// A case of a shape that parse_shape or the recorder made.
KernelCase make_case(const KernelShape& shape);

/// A table whose kernels hand the shape of each call to `note`, then do what `real`'s do. One at a time.
kernels::KernelTable recording_table(const kernels::KernelTable& real, std::function<void(const KernelShape&)> note);

}  // namespace lemore::bench
