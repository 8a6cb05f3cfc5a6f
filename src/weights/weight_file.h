#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/network.h"
#include "lemore/model.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
#include "weights/safetensors.h"

namespace lemore {

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
/// Immutable: reading is safe from any number of threads.
class WeightFile {
 public:
  /// Opens `path`: mapped, or read when `copy`. Tensors off 64-byte boundaries are copied to aligned memory.
  /// Errors    io_error, invalid_file, unsupported (another architecture or version), out_of_memory.
  static Result<std::shared_ptr<const WeightFile>> load(const std::string& path, bool copy = false);
  /// As load, from bytes that outlive the object unless `copy`; `name` stands for the file in messages.
  static Result<std::shared_ptr<const WeightFile>> from_memory(const void* data, std::size_t size, bool copy,
                                                               const std::string& name);

  const std::string& file() const noexcept { return source_.file(); }
  const std::string& architecture() const noexcept { return architecture_; }
  /// The configuration as the file holds it.
  const std::string& config_json() const noexcept { return config_json_; }
  const graph::Network& network() const noexcept { return *network_; }
  /// What the network's output means, and its logits: of a pixel, or of the image.
  graph::OutputKind output_kind() const noexcept { return output_kind_; }
  std::size_t outputs() const noexcept { return outputs_; }
  std::uint64_t trained_parameters() const noexcept { return trained_parameters_; }
  const LabelSet& labels() const noexcept { return labels_; }
  const Preprocessing& preprocessing() const noexcept { return preprocessing_; }
  const Provenance& provenance() const noexcept { return provenance_; }

  /// The elements of the weights that the network's graph declares, in that order, aligned to k_alignment.
  const std::vector<const float*>& weights() const noexcept { return weights_; }
  /// Bytes of all tensors.
  std::size_t tensor_bytes() const noexcept { return tensor_bytes_; }
  /// Bytes of the tensors that had to be copied to aligned memory; 0 when all are used in place.
  std::size_t copied_bytes() const noexcept { return copied_bytes_; }

 private:
  static Result<std::shared_ptr<const WeightFile>> check(Result<Safetensors> source);
  Status read_metadata();
  Status read_tensors(const std::vector<graph::Weight>& expected);

  Safetensors source_;
  std::string architecture_;
  std::string config_json_;
  std::unique_ptr<graph::Network> network_;
  graph::OutputKind output_kind_{};
  std::size_t outputs_ = 0;
  std::uint64_t trained_parameters_ = 0;
  LabelSet labels_;
  Preprocessing preprocessing_;
  Provenance provenance_;
  std::vector<const float*> weights_;
  Tensor realigned_;  ///< copies of tensors that lie off 64-byte boundaries
  std::size_t tensor_bytes_ = 0;
  std::size_t copied_bytes_ = 0;
};

}  // namespace lemore
