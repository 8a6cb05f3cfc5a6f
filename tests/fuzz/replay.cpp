// Replays corpora through a fuzz target without libFuzzer: each file whole, and cut short at a few lengths.
// replay FILE_OR_FOLDER...: fails when there is none, or when a folder holds no file.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz.h"

namespace {

std::size_t inputs = 0;

void replay(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const std::size_t n = bytes.size();
  for (const std::size_t length : {n, n - std::min<std::size_t>(n, 1), n / 2, n / 3, std::min<std::size_t>(n, 9)}) {
    // Exactly as large as what is promised, so that a sanitizer sees a step beyond it.
    const std::vector<std::uint8_t> part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    LLVMFuzzerTestOneInput(part.data(), part.size());
    ++inputs;
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      replay(argv[i]);
      continue;
    }
    const std::size_t before = inputs;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file()) replay(entry.path());
    if (inputs == before) return std::fprintf(stderr, "%s holds no file\n", argv[i]), 1;
  }
  std::printf("%zu inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
