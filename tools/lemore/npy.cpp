#include "npy.h"

#include <cstring>
#include <string>

namespace lemore::cli {

void write_npy(const Shape& shape, const float* elements, std::vector<std::uint8_t>& bytes) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < shape.rank(); ++i)
    header += std::to_string(shape[i]) + (shape.rank() == 1 ? "," : i + 1 < shape.rank() ? ", " : "");
  header += "), }";
  // Magic, version and length take 10 bytes; the data begin on a multiple of 64, after a line feed.
  constexpr std::size_t k_before = 10, k_align = 64;
  header.append((k_align - (k_before + header.size() + 1) % k_align) % k_align, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  const std::size_t data_bytes = shape.elements() * sizeof(float);
  bytes.resize(k_before + header.size() + data_bytes);
  std::memcpy(bytes.data(), "\x93NUMPY\x01\x00", 8);
  bytes[8] = static_cast<std::uint8_t>(length & 0xFF);
  bytes[9] = static_cast<std::uint8_t>(length >> 8);
  std::memcpy(bytes.data() + k_before, header.data(), header.size());
  if (data_bytes > 0) std::memcpy(bytes.data() + k_before + header.size(), elements, data_bytes);
}

void channels_first(const TensorView& nhwc, Shape& shape, std::vector<float>& elements) {
  const float* from = nhwc.f32();
  const int rank = nhwc.shape.rank();
  const std::size_t channels = rank > 0 ? nhwc.shape[rank - 1] : 1;
  const std::size_t pixels = channels > 0 ? nhwc.shape.elements() / channels : 0;
  shape = rank == 4 ? Shape{channels, nhwc.shape[1], nhwc.shape[2]} : Shape{channels * pixels};
  elements.resize(channels * pixels);
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < channels; ++c) elements[c * pixels + p] = from[p * channels + c];
  }
}

}  // namespace lemore::cli
