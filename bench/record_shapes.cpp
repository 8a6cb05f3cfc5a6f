// Writes the shapes file of a network: each different kernel call of one run, and how often it comes.
//   record_shapes MODEL HEIGHTxWIDTH [IMAGE_HEIGHTxWIDTH] > bench/shapes/NAME.txt
// The run is that of one 8-bit image (by default of the network's size) to its label map on one thread, as `lemore run`
// has it; then, as far as they are others, the calls of the layers one after the other (SessionOptions::fuse off).

#include <cstdint>
#include <cstdio>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/kernel_cases.h"
#include "cpu/kernel_table.h"
#include "lemore/model.h"
#include "session/session_data.h"

namespace {

using namespace lemore;

int fail(const std::string& message) {
  std::fprintf(stderr, "record_shapes: %s\n", message.c_str());
  return 1;
}

bool parse_size(const char* text, Size& size) {
  char rest = 0;
  return std::sscanf(text, "%dx%d%c", &size.height, &size.width, &rest) == 2 && size.height > 0 && size.width > 0;
}

/// Calls by the text of their shape, in the order they first come.
struct Calls {
  std::vector<std::pair<std::string, std::size_t>> list;
  std::unordered_map<std::string, std::size_t> place;

  void note(const std::string& text) {
    const auto [at, is_new] = place.emplace(text, list.size());
    if (is_new) list.emplace_back(text, 0);
    ++list[at->second].second;
  }
};

Status record(const Model& model, const SessionOptions& options, Size image_size, Calls& calls) {
  const kernels::KernelTable table = bench::recording_table(
      kernel_table(*options.isa), [&](const bench::KernelShape& shape) { calls.note(shape.text()); });
  Result<Session> session = Session::create(model, options);
  if (!session.ok()) return session.status();
  const_cast<detail::SessionData&>(session->data()).runtime.kernels = &table;

  const auto width = static_cast<std::size_t>(image_size.width);
  const std::size_t pixels = static_cast<std::size_t>(image_size.height) * width;
  const std::vector<std::uint8_t> rgb(3 * pixels, 128);
  std::vector<std::uint8_t> labels(pixels);
  if (Status status = session->run(ImageView{rgb.data(), image_size, 3 * width, PixelFormat::rgb}); !status.ok())
    return status;
  return model.is_classifier() ? Status() : session->label_map({labels.data(), image_size, width});
}

}  // namespace

int main(int argc, char** argv) {
  SessionOptions options;
  Size image_size;
  if (argc < 3 || argc > 4 || !parse_size(argv[2], options.size) || (argc == 4 && !parse_size(argv[3], image_size)))
    return fail("expected MODEL HEIGHTxWIDTH [IMAGE_HEIGHTxWIDTH]");
  if (argc == 3) image_size = options.size;
  options.threads = 1;
  const Result<Isa> isa = default_isa();
  if (!isa.ok()) return fail("LEMORE_ISA: " + isa.status().message());
  options.isa = *isa;
  const Result<Model> model = Model::load(argv[1]);
  if (!model.ok()) return fail(argv[1] + (": " + model.status().message()));

  Calls fused, single;
  for (Calls* calls : {&fused, &single}) {
    options.fuse = calls == &fused;
    if (const Status status = record(*model, options, image_size, *calls); !status.ok())
      return fail(argv[1] + (": " + status.message()));
  }
  std::printf("# %s, %zu classes, %s, image %dx%d: as it is run\n", model->architecture().c_str(),
              model->classes().size(), argv[2], image_size.height, image_size.width);
  for (const auto& [text, count] : fused.list) std::printf("calls=%zu %s\n", count, text.c_str());
  std::printf("# layers one after the other: what differs\n");
  for (const auto& [text, count] : single.list)
    if (fused.place.count(text) == 0) std::printf("calls=0 %s\n", text.c_str());
  return std::fflush(stdout) != 0 ? fail("standard output: cannot write") : 0;
}
