// A program of somebody else: segments a gray image with the model it is given. It links lemore and knows nothing more.
#include <cstdio>
#include <vector>

#include "lemore/segmenter.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: consumer MODEL\n"), 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  auto segmenter = lemore::Segmenter::create(*model);
  if (!segmenter.ok()) return std::fprintf(stderr, "%s\n", segmenter.status().message().c_str()), 1;

  const lemore::Size size{48, 40};
  const std::vector<unsigned char> gray(48 * 40, 128);
  std::vector<unsigned char> labels(48 * 40, 255);
  const auto status = segmenter->segment({gray.data(), size, 40, lemore::PixelFormat::gray}, {labels.data(), size, 40});
  if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;
  for (const unsigned char label : labels)
    if (label >= model->classes().size()) return std::fprintf(stderr, "label %d\n", label), 1;
  std::printf("consumed: %zu classes, %s\n", model->classes().size(), lemore::isa_name(segmenter->session().isa()));
}
