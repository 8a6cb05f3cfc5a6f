// PNGs are mutated chunk by chunk, their pixels before they are compressed, and checksums made right again: libpng
// looks at nothing behind a wrong one.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Chunk {
  std::string type;
  Bytes data;
};

constexpr std::uint8_t k_signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr std::size_t k_max_raw = std::size_t{1} << 14;
constexpr const char* k_types[] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "eXIf", "gAMA", "cHRM",
                                   "sRGB", "iCCP", "sBIT", "bKGD", "hIST", "pHYs", "tIME", "tEXt",
                                   "zTXt", "iTXt", "sPLT", "pCAL", "oFFs", "abcd"};

std::uint32_t big_endian(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

void put(Bytes& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

std::vector<Chunk> chunks_of(const std::uint8_t* data, std::size_t size) {
  std::vector<Chunk> chunks;
  for (std::size_t at = sizeof k_signature; at + 12 <= size;) {
    const std::size_t length = std::min<std::size_t>(big_endian(data + at), size - at - 12);
    const std::uint8_t* content = data + at + 8;
    chunks.push_back({std::string(data + at + 4, content), Bytes(content, content + length)});
    at += length + 12;
  }
  return chunks;
}

Bytes file_of(const std::vector<Chunk>& chunks) {
  Bytes file(std::begin(k_signature), std::end(k_signature));
  for (const Chunk& chunk : chunks) {
    put(file, static_cast<std::uint32_t>(chunk.data.size()));
    const std::size_t begin = file.size();
    file.insert(file.end(), chunk.type.begin(), chunk.type.end());
    file.insert(file.end(), chunk.data.begin(), chunk.data.end());
    put(file, static_cast<std::uint32_t>(crc32(0, file.data() + begin, static_cast<uInt>(file.size() - begin))));
  }
  return file;
}

Bytes inflated(const Bytes& from) {
  Bytes raw(k_max_raw);
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return {};
  stream.next_in = const_cast<Bytef*>(from.data());
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = raw.data();
  stream.avail_out = static_cast<uInt>(raw.size());
  inflate(&stream, Z_FINISH);
  raw.resize(stream.total_out);
  inflateEnd(&stream);
  return raw;
}

Bytes deflated(const Bytes& raw, int level) {
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes to(size);
  compress2(to.data(), &size, raw.data(), static_cast<uLong>(raw.size()), level);
  to.resize(size);
  return to;
}

/// libFuzzer's mutation of a few bytes, which may grow by as many as `room`.
void mutate(Bytes& bytes, std::size_t room) {
  const std::size_t size = bytes.size();
  bytes.resize(size + room + 1);
  bytes.resize(LLVMFuzzerMutate(bytes.data(), size, size + room + 1));
}

/// Bytes of pixels that a header calls for; more than k_max_raw where it is beyond what is tried.
std::size_t raw_bytes(const Bytes& header) {
  const std::size_t width = big_endian(header.data()), height = big_endian(header.data() + 4), depth = header[8];
  constexpr std::size_t k_samples[] = {1, 0, 3, 1, 2, 0, 4};
  if (header[9] > 6 || width > 4096 || height > 4096) return k_max_raw + 1;
  const std::size_t bits = k_samples[header[9]] * depth;
  if (header[12] == 0) return height * (1 + (width * bits + 7) / 8);
  constexpr std::size_t k_x[] = {0, 4, 0, 2, 0, 1, 0}, k_y[] = {0, 0, 4, 0, 2, 0, 1};
  constexpr std::size_t k_dx[] = {8, 8, 4, 4, 2, 2, 1}, k_dy[] = {8, 8, 8, 4, 4, 2, 2};
  std::size_t bytes = 0;
  for (int pass = 0; pass < 7; ++pass) {
    const std::size_t w = (width + k_dx[pass] - 1 - std::min(k_x[pass], width)) / k_dx[pass];
    const std::size_t h = (height + k_dy[pass] - 1 - std::min(k_y[pass], height)) / k_dy[pass];
    if (w > 0) bytes += h * (1 + (w * bits + 7) / 8);
  }
  return bytes;
}

/// Another header, mostly a valid one, and pixels and a palette that fit it.
void change_header(std::vector<Chunk>& chunks, std::minstd_rand& random) {
  constexpr std::uint8_t k_kinds[][2] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
                                         {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
  Bytes header;
  put(header, static_cast<std::uint32_t>(1 + random() % 20));
  put(header, static_cast<std::uint32_t>(1 + random() % 20));
  const auto& kind = k_kinds[random() % (sizeof k_kinds / sizeof k_kinds[0])];
  header.insert(header.end(), {kind[0], kind[1], 0, 0, static_cast<std::uint8_t>(random() % 2)});
  Bytes raw(raw_bytes(header));
  for (auto& byte : raw) byte = static_cast<std::uint8_t>(random() % 5);  // filters and small values
  if (random() % 4 == 0) mutate(header, 0);
  const Chunk idat{"IDAT", deflated(raw, static_cast<int>(random() % 10))};
  const bool has_palette = kind[1] == 3;
  chunks.erase(std::remove_if(chunks.begin(), chunks.end(),
                              [&](const Chunk& c) {
                                return c.type == "IHDR" || c.type == "IDAT" || (has_palette && c.type == "PLTE");
                              }),
               chunks.end());
  chunks.insert(chunks.begin(), {"IHDR", header});
  const auto end = std::find_if(chunks.begin(), chunks.end(), [](const Chunk& c) { return c.type == "IEND"; });
  const auto at = chunks.insert(end, idat);
  if (has_palette) chunks.insert(at, {"PLTE", Bytes(3 * (1 + random() % (std::size_t{1} << kind[0])), 77)});
}

void change_pixels(std::vector<Chunk>& chunks, std::minstd_rand& random) {
  Bytes stream;
  for (const Chunk& chunk : chunks)
    if (chunk.type == "IDAT") stream.insert(stream.end(), chunk.data.begin(), chunk.data.end());
  Bytes raw = inflated(stream);
  if (random() % 4 == 0) {  // what is behind the compression's back
    mutate(stream, 16);
  } else {
    mutate(raw, random() % 4 == 0 ? 64 : 0);
    stream = deflated(raw, static_cast<int>(random() % 10));
  }
  const auto first = std::find_if(chunks.begin(), chunks.end(), [](const Chunk& c) { return c.type == "IDAT"; });
  const auto at = static_cast<std::size_t>(first - chunks.begin());
  chunks.erase(std::remove_if(first, chunks.end(), [](const Chunk& c) { return c.type == "IDAT"; }), chunks.end());
  const std::size_t cut = random() % 2 == 0 ? stream.size() : random() % (stream.size() + 1);
  const auto middle = stream.begin() + static_cast<std::ptrdiff_t>(cut);
  const auto place = chunks.begin() + static_cast<std::ptrdiff_t>(std::min(at, chunks.size()));
  const auto next = chunks.insert(place, {"IDAT", Bytes(stream.begin(), middle)}) + 1;
  if (middle != stream.end()) chunks.insert(next, {"IDAT", Bytes(middle, stream.end())});
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::minstd_rand random(seed);
  if (random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::vector<Chunk> chunks = chunks_of(data, size);
  if (chunks.empty()) {
    chunks = {{"IEND", {}}};
    change_header(chunks, random);
  }
  for (unsigned round = 0; round <= random() % 3; ++round) {
    Chunk& chunk = chunks[random() % chunks.size()];
    const auto place = chunks.begin() + static_cast<std::ptrdiff_t>(random() % (chunks.size() + 1));
    switch (random() % 8) {
      case 0:
        change_header(chunks, random);
        break;
      case 1:
      case 2:
        change_pixels(chunks, random);
        break;
      case 3:
        chunks.insert(place, Chunk(chunk));
        break;
      case 4:
        if (chunks.size() > 1) chunks.erase(chunks.begin() + (&chunk - chunks.data()));
        break;
      case 5:
        chunks.insert(place, {k_types[random() % (sizeof k_types / sizeof k_types[0])], Bytes(random() % 40, 1)});
        break;
      default:
        mutate(chunk.data, 8);
    }
  }
  const Bytes file = file_of(chunks);
  if (file.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, file.data(), file.size());
  return file.size();
}
