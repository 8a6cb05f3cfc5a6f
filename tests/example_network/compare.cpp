// compare MODEL DUMP: every stage of the dump, and the output, within 1e-5 of the reference's largest value.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "lemore/session.h"
#include "weights/safetensors.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  const auto dump = lemore::Safetensors::open(argv[2], false);
  if (!dump.ok()) return std::fprintf(stderr, "%s\n", dump.status().message().c_str()), 1;
  lemore::SessionOptions options;
  options.keep_stages = true;
  auto session = lemore::Session::create(*model, options);
  if (!session.ok()) return std::fprintf(stderr, "%s\n", session.status().message().c_str()), 1;
  const lemore::NamedTensor* input = dump->find_named("input");
  if (input == nullptr || !session->run(input->view).ok()) return std::fprintf(stderr, "the input does not run\n"), 1;
  int compared = 0;
  for (const std::string& name : session->stage_names()) {
    const lemore::NamedTensor* reference = dump->find_named(name == "output" ? name : "out." + name);
    const auto stage = session->stage(name);
    if (reference == nullptr || !stage.ok()) return std::fprintf(stderr, "%s is not there\n", name.c_str()), 1;
    const std::size_t h = stage->shape[1], w = stage->shape[2], c = stage->shape[3];
    if (reference->view.shape != lemore::Shape{1, c, h, w}) return std::fprintf(stderr, "%s: shape\n", name.c_str()), 1;
    float largest = 0, off = 0;
    for (std::size_t i = 0; i < h * w; ++i)
      for (std::size_t k = 0; k < c; ++k) {
        const float expected = reference->view.f32()[k * h * w + i];
        largest = std::max(largest, std::fabs(expected));
        off = std::max(off, std::fabs(stage->f32()[i * c + k] - expected));
      }
    std::printf("%-10s %zux%zux%zu, off by %.1e of %.1f\n", name.c_str(), h, w, c, static_cast<double>(off),
                static_cast<double>(largest));
    if (!(off <= 1e-5f * largest)) return std::fprintf(stderr, "%s differs\n", name.c_str()), 1;
    ++compared;
  }
  std::printf("%llu parameters, %llu MACs\n", static_cast<unsigned long long>(model->trained_parameters()),
              static_cast<unsigned long long>(*model->macs(model->input_size())));
  return compared == 5 ? 0 : 1;
}
