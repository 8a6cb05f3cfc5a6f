#include <iostream>
#include <vector>

#include "lemore/segmenter.h"

int main() {
  const auto model = lemore::Model::load("weights/lemore-camvid.safetensors");
  if (!model.ok()) return std::cerr << model.status().message() << '\n', 1;
  auto segmenter = lemore::Segmenter::create(*model);
  if (!segmenter.ok()) return std::cerr << segmenter.status().message() << '\n', 1;

  std::vector<unsigned char> rgb(360 * 480 * 3, 128), labels(360 * 480);  // your image, your label map
  const auto status =
      segmenter->segment({rgb.data(), {360, 480}, 480 * 3, lemore::PixelFormat::rgb}, {labels.data(), {360, 480}, 480});
  if (!status.ok()) return std::cerr << status.message() << '\n', 1;
  std::cout << "the middle is " << model->classes()[labels[180 * 480 + 240]].name << '\n';
}
