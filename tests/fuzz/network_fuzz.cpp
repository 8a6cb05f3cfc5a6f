// Networks of any configuration that is valid, with weights to fit: planned and run. Layers that are run together,
// tasks in another order and an arena of exactly the planned size give the same bits as each layer on its own.
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz.h"
#include "graph/network.h"
#include "lemore/session.h"
#include "tests/support/safetensors_writer.h"

using namespace lemore;

namespace {

constexpr std::uint64_t k_max_floats = 60000, k_max_macs = 3000000;
constexpr std::size_t k_max_arena = std::size_t{8} << 20;

void run_backwards(void*, int tasks, void (*body)(void*, int), void* context) {
  while (tasks > 0) body(context, --tasks);
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

std::vector<float> logits_of(const Model& model, SessionOptions options, const ImageView& image) {
  const auto bytes = Session::arena_bytes(model, options);
  require(bytes.ok());
  const std::unique_ptr<void, Free> arena(
      std::aligned_alloc(k_alignment, (*bytes + k_alignment - 1) / k_alignment * k_alignment));
  options.arena = arena.get();
  options.arena_bytes = *bytes;
  auto session = Session::create(model, options);
  require(session.ok());
  require(session->run(image).ok());
  const TensorView logits = session->logits();
  return {logits.f32(), logits.f32() + logits.shape.elements()};
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const int height = 32 + data[0] % 40, width = 32 + data[1] % 40, workers = 1 + data[2] % 5;
  std::string text(data + 3, data + size);
  for (char& c : text)  // the writer does not escape them
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  const auto network = graph::read_network(*graph::find_architecture("lemore"), text, "fuzz");
  if (!network.ok()) return 0;
  graph::Graph graph;
  (*network)->describe(graph, (*network)->input_size());
  if (!graph.status().ok()) return 0;
  std::uint64_t floats = 0;
  for (const graph::Weight& weight : graph.weights()) floats += weight.shape.elements();
  if (floats > k_max_floats || graph.output().c > 300) return 0;
  const std::string file = test::weight_file(text).bytes();
  const auto model = Model::from_memory(file.data(), file.size(), true, "fuzz");
  require(model.ok());
  const Size input{height, width};
  const auto macs = model->macs(input);
  if (!macs.ok() || *macs > k_max_macs) return 0;

  SessionOptions options;
  options.size = input;
  options.threads = 1;
  options.fuse = false;
  const auto bytes = Session::arena_bytes(*model, options);
  if (!bytes.ok() || *bytes > k_max_arena) return 0;
  std::vector<std::uint8_t> pixels(20 * 30 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37 % 251);
  const ImageView image{pixels.data(), {20, 30}, 90, PixelFormat::rgb};
  const std::vector<float> expected = logits_of(*model, options, image);
  options.fuse = true;
  options.parallel_for = ParallelFor{run_backwards, nullptr, workers};
  const std::vector<float> logits = logits_of(*model, options, image);
  require(logits.size() == expected.size());
  require(std::memcmp(logits.data(), expected.data(), logits.size() * sizeof(float)) == 0);
  return 0;
}
