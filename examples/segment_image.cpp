// The least a program needs: a model, an image in memory, its label map. segment_image MODEL prints the share of each
// class.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "lemore/segmenter.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: segment_image MODEL\n"), 2;
  auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::fprintf(stderr, "%s\n", model.status().message().c_str()), 1;
  auto segmenter = lemore::Segmenter::create(*model);
  if (!segmenter.ok()) return std::fprintf(stderr, "%s\n", segmenter.status().message().c_str()), 1;

  // Any 8-bit image; here grey above, dark below, as a street is.
  const lemore::Size size{360, 480};
  std::vector<unsigned char> pixels(360 * 480 * 3, 200);
  std::fill(pixels.begin() + 200 * 480 * 3, pixels.end(), static_cast<unsigned char>(70));
  std::vector<unsigned char> labels(360 * 480);

  const lemore::Status status = segmenter->segment({pixels.data(), size, 480 * 3, lemore::PixelFormat::rgb},  //
                                                   {labels.data(), size, 480});
  if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;

  std::vector<int> count(model->classes().size());
  for (const unsigned char label : labels) ++count[label];
  for (std::size_t i = 0; i < count.size(); ++i)
    std::printf("%-12s %5.1f %%\n", model->classes()[i].name.c_str(),
                100.0 * count[i] / static_cast<double>(labels.size()));
}
