// A weight file's header is mutated as text, and the length in front of it made right again: a file of another length
// is refused at once.
#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "fuzz.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  constexpr std::size_t k_length = 8;
  std::minstd_rand random(seed);
  std::uint64_t length = 0;
  if (size >= k_length)
    for (std::size_t i = k_length; i-- > 0;) length = length << 8 | data[i];
  if (size < k_length || length > size - k_length || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);

  const auto text = static_cast<std::size_t>(length);
  std::uint8_t* const header = data + k_length;
  const std::vector<std::uint8_t> tensors(header + text, data + size);
  if (!tensors.empty() && random() % 8 == 0)
    return k_length + text + LLVMFuzzerMutate(header + text, tensors.size(), max_size - k_length - text);
  const std::size_t changed = LLVMFuzzerMutate(header, text, max_size - k_length);
  for (std::size_t i = 0; i < k_length; ++i) data[i] = static_cast<std::uint8_t>(std::uint64_t{changed} >> (8 * i));
  const std::size_t kept = std::min(tensors.size(), max_size - k_length - changed);
  if (kept > 0) std::memcpy(header + changed, tensors.data(), kept);
  return k_length + changed + kept;
}
