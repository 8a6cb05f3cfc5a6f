#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/lemore_config.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
#include "weights/safetensors.h"

namespace lemore {

/// A tensor of the inference form: what its name, shape and layout must be. All are F32.
struct ExpectedTensor {
  std::string name;
  Shape shape;
  Layout layout = Layout::plain;
};

/// The tensors of the inference form that `config` calls for, in the order they are used. The one place that says so.
std::vector<ExpectedTensor> inference_tensors(const LemoreConfig& config);

/// What a weight file says about the classes.
struct LabelSet {
  std::string name;
  int ignore_label = -1;
  int annotation_offset = 0;
  std::vector<ClassInfo> classes;
};

/// A weight file of the inference form (weights/README.md), fully checked: metadata, exactly the tensors that the
/// configuration calls for, all values finite.
///
/// Immutable and movable; views stay valid when it is moved. Reading is safe from any number of threads.
class WeightFile {
 public:
  /// Opens `path`: mapped, or read when `copy`. Tensors off 64-byte boundaries are copied to aligned memory.
  /// Errors    io_error, invalid_file, unsupported (another architecture or version), out_of_memory.
  static Result<WeightFile> load(const std::string& path, bool copy = false);
  /// As load, from bytes that outlive the object unless `copy`; `name` stands for the file in messages.
  static Result<WeightFile> from_memory(const void* data, std::size_t size, bool copy, const std::string& name);

  const std::string& file() const noexcept { return source_.file(); }
  const std::string& architecture() const noexcept { return architecture_; }
  /// The configuration as the file holds it.
  const std::string& config_json() const noexcept { return config_json_; }
  const LemoreConfig& config() const noexcept { return config_; }
  const LabelSet& labels() const noexcept { return labels_; }
  const Preprocessing& preprocessing() const noexcept { return preprocessing_; }
  const Provenance& provenance() const noexcept { return provenance_; }

  /// The tensors of inference_tensors(config()), in that order, aligned to k_alignment.
  const std::vector<NamedTensor>& tensors() const noexcept { return tensors_; }
  /// The tensor called `name`, for instance "stages.0.down.expand.weight", or null where the configuration has none.
  const TensorView* find(std::string_view name) const noexcept;
  /// Its elements, or null.
  const float* find_f32(std::string_view name) const noexcept;
  /// Bytes of all tensors.
  std::size_t tensor_bytes() const noexcept { return tensor_bytes_; }
  /// Bytes of the tensors that had to be copied to aligned memory; 0 when all are used in place.
  std::size_t copied_bytes() const noexcept { return copied_bytes_; }

 private:
  static Result<WeightFile> check(Result<Safetensors> source);
  Status read_metadata();
  Status read_tensors();

  Safetensors source_;
  std::string architecture_;
  std::string config_json_;
  LemoreConfig config_;
  LabelSet labels_;
  Preprocessing preprocessing_;
  Provenance provenance_;
  std::vector<NamedTensor> tensors_;
  std::vector<std::uint32_t> by_name_;  ///< indices of tensors_, sorted by name
  Tensor realigned_;                    ///< copies of tensors that lie off 64-byte boundaries
  std::size_t tensor_bytes_ = 0;
  std::size_t copied_bytes_ = 0;
};

}  // namespace lemore
