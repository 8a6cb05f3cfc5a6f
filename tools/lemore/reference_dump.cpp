#include "reference_dump.h"

#include <algorithm>

#include "weights/safetensors.h"

namespace lemore::cli {

ReferenceDump::ReferenceDump(ReferenceDump&&) noexcept = default;
ReferenceDump& ReferenceDump::operator=(ReferenceDump&&) noexcept = default;
ReferenceDump::~ReferenceDump() = default;

Result<ReferenceDump> ReferenceDump::open(const std::string& path) {
  constexpr std::string_view k_stage_prefix = "out.", k_output = "output", k_input = "input";
  Result<Safetensors> file = Safetensors::open(path);
  if (!file.ok()) return file.status();
  const auto wrong = [&](const std::string& what) { return Status(StatusCode::invalid_file, path + ": " + what); };

  ReferenceDump dump;
  bool has_input = false;
  for (const NamedTensor& tensor : file->tensors()) {
    const bool is_input = tensor.name == k_input;
    const bool is_stage = tensor.name.compare(0, k_stage_prefix.size(), k_stage_prefix) == 0;
    if (!is_input && !is_stage && tensor.name != k_output) continue;
    if (tensor.view.dtype != DType::f32) {
      return wrong("tensor `" + tensor.name + "`: expected F32, got " + dtype_name(tensor.view.dtype));
    }
    Result<Tensor> copy = Tensor::copy_of(tensor.view);  // in the file it may be unaligned
    if (!copy.ok()) return copy.status();
    if (is_input) {
      has_input = true;
      dump.input_ = std::move(*copy);
      continue;
    }
    const std::string name = is_stage ? tensor.name.substr(k_stage_prefix.size()) : tensor.name;
    if (dump.find(name) != nullptr) continue;  // `out.output` beside `output`
    dump.names_.push_back(name);
    dump.tensors_.push_back(std::move(*copy));
  }
  if (!has_input) return wrong("it has no tensor `input`, so it is not a reference dump");
  const Shape& shape = dump.input_.shape();
  if (shape.rank() != 4 || shape[0] != 1 || shape[1] != 3) {
    return wrong("tensor `input`: expected [1, 3, height, width], got " + shape.to_string());
  }
  if (dump.names_.empty()) return wrong("it has no tensor `output` or `out.*` to compare with");
  return Result<ReferenceDump>(std::move(dump));
}

const TensorView* ReferenceDump::find(std::string_view stage) const noexcept {
  const auto at = std::find(names_.begin(), names_.end(), stage);
  return at == names_.end() ? nullptr : &tensors_[static_cast<std::size_t>(at - names_.begin())].view();
}

}  // namespace lemore::cli
