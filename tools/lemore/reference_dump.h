#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lemore/status.h"
#include "lemore/tensor.h"

namespace lemore::cli {

/// A file of recorded stages, as tools/dump_reference.py writes them: `input` [1, 3, h, w],
/// `output`, and `out.STAGE` for any of the stages, all F32 and channels first.
///
/// This is the one place of the command line that sees more than include/lemore: it reads through the library's own
/// strict reader, src/weights/safetensors.h (tools/CMakeLists.txt gives that path to reference_dump.cpp alone).
class ReferenceDump {
 public:
  /// Errors    io_error, invalid_file (not a safetensors file, no `input`, a stage that is not F32). Names the file.
  static Result<ReferenceDump> open(const std::string& path);

  ReferenceDump(ReferenceDump&&) noexcept;
  ReferenceDump& operator=(ReferenceDump&&) noexcept;
  ~ReferenceDump();

  /// The elements, aligned, channels first.
  const TensorView& input() const noexcept { return input_.view(); }
  /// Names of the recorded stages: "stem", ... for `out.stem`, ..., and "output".
  const std::vector<std::string>& stages() const noexcept { return names_; }
  /// A recorded stage, or null.
  const TensorView* find(std::string_view stage) const noexcept;

 private:
  ReferenceDump() = default;
  Tensor input_;
  std::vector<std::string> names_;
  std::vector<Tensor> tensors_;
};

}  // namespace lemore::cli
