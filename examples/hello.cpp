#include <cstdio>
#include <vector>

#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>  // any decoder will do; this one is Debian's libstb-dev

#include "lemore/segmenter.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: hello MODEL IMAGE\n"), 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  auto segmenter = lemore::Segmenter::create(*model);
  if (!segmenter.ok()) return std::fprintf(stderr, "%s\n", segmenter.status().message().c_str()), 1;

  int height = 0, width = 0, channels = 0;
  unsigned char* const rgb = stbi_load(argv[2], &width, &height, &channels, 3);
  if (rgb == nullptr) return std::fprintf(stderr, "%s: %s\n", argv[2], stbi_failure_reason()), 1;
  const std::size_t row = static_cast<std::size_t>(width), pixels = row * static_cast<std::size_t>(height);
  std::vector<unsigned char> labels(pixels);  // one class index a pixel
  const lemore::Size size{height, width};
  const auto status = segmenter->segment({rgb, size, 3 * row, lemore::PixelFormat::rgb}, {labels.data(), size, row});
  stbi_image_free(rgb);
  if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;

  std::vector<std::size_t> count(model->classes().size());
  for (const unsigned char label : labels) ++count[label];
  for (std::size_t i = 0; i < count.size(); ++i)
    if (100 * count[i] >= pixels)
      std::printf("%-10s %3zu %%\n", model->classes()[i].name.c_str(), 100 * count[i] / pixels);
}
