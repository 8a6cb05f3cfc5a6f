#include "lemore/model.h"

#include "api/model_data.h"
#include "core/guard.h"
#include "core/text.h"
#include "image/label_map.h"
#include "plan/lower.h"

namespace lemore {

namespace detail {

Result<plan::Plan> build_plan(const ModelData& model, Size size, const plan::Options& options) {
  for (const int n : {size.height, size.width})
    if (n < k_min_input || n > k_max_input)
      return make_error(StatusCode::invalid_shape,
                        {"input size ", size, ": expected ", k_min_input, "..", k_max_input, " pixels a side"});
  const WeightFile& weights = model.weights;
  const Result<graph::Graph> graph = graph::describe(weights.network(), size);
  if (!graph.ok()) return graph.status();
  plan::Lowering lowering(*graph, weights.weights(), options);
  lowering.lower_all();
  const plan::Value output = lowering.at(graph->output());
  const std::size_t scratch =
      weights.output_kind() == graph::OutputKind::pixel_logits
          ? image::label_scratch(output, size, weights.preprocessing().label_map, options.workers)
          : 0;
  return lowering.plan.finish(lowering.at(graph->image()), graph->image_border(), output, scratch);
}

namespace {

Result<std::shared_ptr<const ModelData>> share(Result<WeightFile> file) {
  if (!file.ok()) return file.status();
  return std::shared_ptr<const ModelData>(std::make_shared<ModelData>(ModelData{std::move(*file)}));
}

}  // namespace

}  // namespace detail

Result<Model> Model::load(const std::string& path, const LoadOptions& options) {
  return detail::guard([&]() -> Result<Model> {
    auto data = detail::share(WeightFile::load(path, options.copy));
    if (!data.ok()) return data.status();
    return Model(std::move(*data));
  });
}

Result<Model> Model::from_memory(const void* bytes, std::size_t size, bool copy, const std::string& name) {
  return detail::guard([&]() -> Result<Model> {
    auto data = detail::share(WeightFile::from_memory(bytes, size, copy, name));
    if (!data.ok()) return data.status();
    return Model(std::move(*data));
  });
}

const std::string& Model::architecture() const noexcept { return data_->weights.architecture(); }
const std::string& Model::config_json() const noexcept { return data_->weights.config_json(); }
Size Model::input_size() const noexcept { return data_->weights.network().input_size(); }
bool Model::is_classifier() const noexcept { return data_->weights.output_kind() == graph::OutputKind::class_logits; }
const std::vector<ClassInfo>& Model::classes() const noexcept { return data_->weights.labels().classes; }
int Model::ignore_label() const noexcept { return data_->weights.labels().ignore_label; }
int Model::annotation_offset() const noexcept { return data_->weights.labels().annotation_offset; }
const std::string& Model::labels_name() const noexcept { return data_->weights.labels().name; }
const Preprocessing& Model::preprocessing() const noexcept { return data_->weights.preprocessing(); }
const Provenance& Model::provenance() const noexcept { return data_->weights.provenance(); }
std::uint64_t Model::trained_parameters() const noexcept { return data_->weights.trained_parameters(); }
std::size_t Model::weight_bytes() const noexcept { return data_->weights.tensor_bytes(); }

Result<std::uint64_t> Model::macs(Size size) const {
  return detail::guard([&]() -> Result<std::uint64_t> {
    auto plan = detail::build_plan(*data_, size, {});
    if (!plan.ok()) return plan.status();
    return plan->macs;
  });
}

}  // namespace lemore
