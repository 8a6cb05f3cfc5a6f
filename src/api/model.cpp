#include "lemore/model.h"

#include "api/build_plan.h"
#include "core/guard.h"
#include "core/text.h"
#include "image/label_map.h"
#include "plan/lower.h"
#include "weights/weight_file.h"

namespace lemore {

namespace detail {

Result<plan::Plan> build_plan(const WeightFile& weights, Size size, const plan::Options& options) {
  const int least = weights.network().min_side();
  for (const int n : {size.height, size.width})
    if (n < least || n > k_max_input)
      return make_error(StatusCode::invalid_shape,
                        {"input size ", size, ": expected ", least, "..", k_max_input, " pixels a side"});
  graph::Graph graph;
  weights.network().describe(graph, size);
  if (!graph.status().ok()) return graph.status();
  plan::Lowering lowering(graph, weights.weights(), options);
  lowering.lower_all();
  lowering.plan.rewritten(graph.rewritten_macs(), graph.take_merged());
  const plan::Value output = lowering.at(graph.output());
  const std::size_t scratch =
      weights.output_kind() == graph::OutputKind::pixel_logits
          ? image::label_scratch(output, size, weights.preprocessing().label_map, options.workers)
          : 0;
  return lowering.plan.finish(lowering.at(graph.image()), graph.image_border(), output, scratch);
}

}  // namespace detail

Result<Model> Model::load(const std::string& path, const LoadOptions& options) {
  return detail::guard([&]() -> Result<Model> {
    auto weights = WeightFile::load(path, options.copy);
    if (!weights.ok()) return weights.status();
    return Model(std::move(*weights));
  });
}

Result<Model> Model::from_memory(const void* bytes, std::size_t size, bool copy, const std::string& name) {
  return detail::guard([&]() -> Result<Model> {
    auto weights = WeightFile::from_memory(bytes, size, copy, name);
    if (!weights.ok()) return weights.status();
    return Model(std::move(*weights));
  });
}

const std::string& Model::architecture() const noexcept { return weights_->architecture(); }
const std::string& Model::config_json() const noexcept { return weights_->config_json(); }
Size Model::input_size() const noexcept { return weights_->network().input_size(); }
int Model::min_side() const noexcept { return weights_->network().min_side(); }
bool Model::is_classifier() const noexcept { return weights_->output_kind() == graph::OutputKind::class_logits; }
const std::vector<ClassInfo>& Model::classes() const noexcept { return weights_->labels().classes; }
int Model::ignore_label() const noexcept { return weights_->labels().ignore_label; }
int Model::annotation_offset() const noexcept { return weights_->labels().annotation_offset; }
const std::string& Model::labels_name() const noexcept { return weights_->labels().name; }
const Preprocessing& Model::preprocessing() const noexcept { return weights_->preprocessing(); }
const Provenance& Model::provenance() const noexcept { return weights_->provenance(); }
std::uint64_t Model::trained_parameters() const noexcept { return weights_->trained_parameters(); }
std::size_t Model::weight_bytes() const noexcept { return weights_->tensor_bytes(); }

Result<std::uint64_t> Model::macs(Size size) const {
  return detail::guard([&]() -> Result<std::uint64_t> {
    auto plan = detail::build_plan(*weights_, size, {});
    if (!plan.ok()) return plan.status();
    return plan->macs;
  });
}

}  // namespace lemore
