#include "weights/safetensors.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <map>
#include <random>

#include "core/json.h"
#include "support/files.h"
#include "support/safetensors_writer.h"
#include "support/skip.h"
#include "support/status_checks.h"

namespace lemore {
namespace {

using test::raw_safetensors;
using test::read_file;
using test::require_error;
using test::require_ok;
using test::SafetensorsWriter;
using test::TempFile;

/// Parses bytes on a heap block of exactly their size, so that ASan sees any read beyond them.
Result<Safetensors> parse(const std::string& bytes) {
  std::vector<char> exact(bytes.begin(), bytes.end());
  exact.shrink_to_fit();
  return Safetensors::from_memory(exact.data(), exact.size(), true, "some.safetensors");
}

void refuse(const std::string& bytes, std::initializer_list<std::string> parts) {
  require_error(parse(bytes), StatusCode::invalid_file, {"some.safetensors: "});
  require_error(parse(bytes), StatusCode::invalid_file, parts);
}

/// A record of a 2x2 F32 tensor, with one field replaced.
std::string record(const std::string& dtype = "\"F32\"", const std::string& shape = "[2,2]",
                   const std::string& offsets = "[0,16]") {
  return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string one_tensor(const std::string& value, const std::string& data = std::string(16, '\0')) {
  return raw_safetensors("{\"a\":" + value + "}", data);
}

SafetensorsWriter small_file() {
  SafetensorsWriter writer;
  writer.metadata = {{"config", "{\"x\": 1}"}, {"note", "two\nlines"}};
  writer.metadata[1].second = "quoted \"text\" \\";
  writer.add("z.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  writer.add("a/\xf0\x9f\x98\x80", {1}, {7});
  writer.add("bytes", DType::u8, {5}, "12345");
  writer.add("empty", {0, 7}, {});
  writer.add("scalar", Shape(), {8});
  return writer;
}

TEST_CASE("safetensors gives tensors and metadata", "[safetensors]") {
  const TempFile file(small_file().bytes());
  const std::string bytes = small_file().bytes();
  for (int way = 0; way < 4; ++way) {
    INFO("way " << way);
    const Result<Safetensors> opened = way < 2
                                           ? Safetensors::open(file.path(), way == 1)
                                           : Safetensors::from_memory(bytes.data(), bytes.size(), way == 3, "memory");
    require_ok(opened);
    CHECK(opened->is_mapped() == (way == 0));
    CHECK(opened->file() == (way < 2 ? file.path() : "memory"));
    REQUIRE(opened->find("z.weight") != nullptr);
    const TensorView& weight = *opened->find("z.weight");
    CHECK(weight.shape == Shape{2, 3});
    CHECK(weight.dtype == DType::f32);
    CHECK(std::memcmp(weight.data, small_file().tensors[0].data.data(), 24) == 0);
    if (way != 2) CHECK(is_aligned(weight.data));  // std::string promises no alignment
    CHECK(opened->find("a/\xf0\x9f\x98\x80")->shape == Shape{1});
    CHECK(std::memcmp(opened->find("bytes")->data, "12345", 5) == 0);
    CHECK(opened->find("empty")->shape == Shape{0, 7});
    CHECK(opened->find("scalar")->shape == Shape());
    CHECK(opened->find("scalar")->bytes() == 4);
    CHECK(opened->find("none") == nullptr);
    CHECK(opened->find("") == nullptr);
    REQUIRE(opened->metadata("config") != nullptr);
    CHECK(*opened->metadata("config") == "{\"x\": 1}");
    CHECK(*opened->metadata("note") == "quoted \"text\" \\");
    CHECK(opened->metadata("none") == nullptr);
    CHECK(opened->metadata().size() == 2);
    for (std::size_t i = 1; i < opened->tensors().size(); ++i) {
      CHECK(opened->tensors()[i - 1].name < opened->tensors()[i].name);
    }
  }
}

TEST_CASE("safetensors stays valid when it is moved", "[safetensors]") {
  const TempFile file(small_file().bytes());
  Result<Safetensors> opened = Safetensors::open(file.path());
  require_ok(opened);
  const TensorView before = *opened->find("z.weight");
  const Safetensors moved = std::move(*opened);
  CHECK(moved.find("z.weight")->data == before.data);
  CHECK(static_cast<const std::uint8_t*>(before.data)[3] == 0x3F);  // 1.0f
}

TEST_CASE("safetensors accepts what the profile allows", "[safetensors]") {
  require_ok(parse(raw_safetensors("{}")));
  require_ok(parse(raw_safetensors("{}   ")));
  require_ok(parse(one_tensor(record())));
  require_ok(parse(one_tensor(record("\"F32\"", "[]", "[0,4]"), std::string(4, '\0'))));
  require_ok(parse(raw_safetensors("{ \"a\" :\n" + record() + "}", std::string(16, '\0'))));
  require_ok(parse(raw_safetensors("{\"b\":" + record("\"F32\"", "[4]", "[16,32]") + ",\"a\":" + record() + "}",
                                   std::string(32, '\0'))));
  // Empty tensors at the beginning, in between and at the end take no room.
  require_ok(parse(raw_safetensors("{\"b\":" + record("\"F32\"", "[0]", "[16,16]") + ",\"a\":" + record() +
                                       ",\"c\":" + record("\"F32\"", "[0,3]", "[0,0]") + "}",
                                   std::string(16, '\0'))));
  require_ok(parse(raw_safetensors("{\"__metadata__\":{},\"a\":" + record() + "}", std::string(16, '\0'))));
  for (const char* dtype : {"BOOL", "U8", "I8"}) {
    require_ok(parse(one_tensor(record("\"" + std::string(dtype) + "\"", "[4]", "[0,4]"), "abcd")));
  }
  for (const char* dtype : {"I16", "U16", "F16", "BF16"}) {
    require_ok(parse(one_tensor(record("\"" + std::string(dtype) + "\"", "[2]", "[0,4]"), "abcd")));
  }
  for (const char* dtype : {"F64", "I64", "U64"}) {
    require_ok(parse(one_tensor(record("\"" + std::string(dtype) + "\"", "[1]", "[0,8]"), "abcdefgh")));
  }
  require_ok(parse(one_tensor(record("\"F32\"", "[1,1,1,1,2,2,1,1]"))));  // rank 8
}

TEST_CASE("safetensors refuses a header that is none", "[safetensors]") {
  const std::string good = one_tensor(record());
  const auto with_length = [&](std::uint64_t length) {
    std::string bytes = good;
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
    return bytes;
  };
  const std::uint64_t length = good.size() - 24;
  refuse("", {"header", "8 bytes"});
  refuse("1234567", {"header", "8 bytes", "7"});
  refuse(with_length(0), {"header", "got a length of 0"});
  refuse(with_length(1), {"header", "got a length of 1"});
  refuse(with_length(UINT64_MAX), {"header", "4194304", "18446744073709551615"});
  refuse(with_length(length << 56), {"header", "4194304"});
  refuse(with_length((4 << 20) + 1), {"header", "4194304", "4194305"});
  refuse(with_length(good.size() - 7), {"header", "behind the length"});
  refuse(with_length(length - 1), {"header", "'}'"});
  refuse(with_length(length + 16), {"header", "'}'"});
  refuse(with_length(4 << 20), {"header", "behind the length"});
  refuse(raw_safetensors(" {}"), {"header", "'{'", "' '"});
  refuse(raw_safetensors("[{}]"), {"header", "'{'", "'['"});
  refuse(raw_safetensors("\"{}\""), {"header", "'{'"});
  refuse(raw_safetensors("{}\n"), {"header", "'}' and then spaces"});
  refuse(raw_safetensors("{}x"), {"header", "'}' and then spaces"});
  refuse(raw_safetensors("{}{}"), {"header", "JSON at byte 2"});
  refuse(raw_safetensors("{\"a\":" + record() + ",}", std::string(16, '\0')), {"header", "JSON"});
  refuse(raw_safetensors(std::string(500000, '{')), {"header"});
  std::string deep = "{\"__metadata__\":";
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  refuse(raw_safetensors(deep + "1" + std::string(100001, '}')), {"header", "levels"});
  refuse(raw_safetensors("{\"a\":" + record() + ",\"a\":" + record() + "}", std::string(16, '\0')),
         {"header", "duplicate name 'a'"});
  refuse(raw_safetensors("{\"a\":" + record() + ",\"\\u0061\":" + record() + "}", std::string(16, '\0')),
         {"header", "duplicate name 'a'"});
  refuse(raw_safetensors("{\"\xff\":" + record() + "}", std::string(16, '\0')), {"header", "UTF-8"});
  refuse(raw_safetensors("{\"\xc0\xaf\":" + record() + "}", std::string(16, '\0')), {"header", "UTF-8"});
}

TEST_CASE("safetensors refuses a wrong record and names tensor and field", "[safetensors]") {
  for (const char* value : {"null", "[]", "1", "\"x\""}) refuse(one_tensor(value), {"tensor 'a'", "an object", value});
  refuse(one_tensor("{\"dtype\":\"F32\",\"shape\":[2,2]}"), {"tensor 'a'.data_offsets", "nothing"});
  refuse(one_tensor("{\"dtype\":\"F32\",\"data_offsets\":[0,16]}"), {"tensor 'a'.shape", "nothing"});
  refuse(one_tensor("{\"shape\":[2,2],\"data_offsets\":[0,16]}"), {"tensor 'a'.dtype", "nothing"});
  refuse(one_tensor("{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16],\"x\":1}"), {"tensor 'a'", "'x'"});
  refuse(one_tensor("{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16],\"data_offsets\":[0,16]}"),
         {"duplicate name 'data_offsets'"});
  for (const char* dtype : {"\"f32\"", "null", "32", "\"\"", "\"F8_E4M3\"", "\"F32 \""}) {
    refuse(one_tensor(record(dtype)), {"tensor 'a'.dtype"});
  }
  refuse(one_tensor(record("\"f32\"")), {"got \"f32\""});
  for (const char* extent : {"-2", "2.0", "2e0", "true", "\"2\"", "null", "[2]", "18446744073709551616"}) {
    refuse(one_tensor(record("\"F32\"", "[2," + std::string(extent) + "]")), {"tensor 'a'.shape[1]", extent});
  }
  refuse(one_tensor(record("\"F32\"", "[NaN,2]")), {"JSON"});
  for (const char* shape : {"null", "4", "{}", "\"[2,2]\""}) {
    refuse(one_tensor(record("\"F32\"", shape)), {"tensor 'a'.shape", "a list"});
  }
  refuse(one_tensor(record("\"F32\"", "[1,1,1,1,1,1,1,2,2]")), {"tensor 'a'.shape", "0..8 items", "got 9"});
  refuse(raw_safetensors("{\"n\\u0000\\n'\":" + record("null") + "}", std::string(16, '\0')),
         {"tensor 'n\\x00\\n\\''.dtype"});
}

TEST_CASE("safetensors refuses offsets that do not hold the shape", "[safetensors]") {
  for (const char* offsets : {"null", "[]", "[16]", "[0,8,16]", "{}"}) {
    refuse(one_tensor(record("\"F32\"", "[2,2]", offsets)), {"tensor 'a'.data_offsets", "a list of 2 items"});
  }
  for (const char* end : {"-1", "16.0", "\"16\"", "17", "9223372036854775808", "18446744073709551616", "true"}) {
    refuse(one_tensor(record("\"F32\"", "[2,2]", "[0," + std::string(end) + "]")),
           {"tensor 'a'.data_offsets[1]", "0..16", end});
  }
  refuse(one_tensor(record("\"F32\"", "[2,2]", "[18446744073709551600,0]")), {"tensor 'a'.data_offsets[0]"});
  refuse(one_tensor(record("\"F32\"", "[2,2]", "[16,0]")), {"tensor 'a'.data_offsets", "16 bytes"});
  refuse(one_tensor(record("\"F32\"", "[2,3]")), {"tensor 'a'.data_offsets", "24 bytes", "[2, 3]", "F32"});
  refuse(one_tensor(record("\"F64\"")), {"tensor 'a'.data_offsets", "32 bytes", "F64"});
  if (sizeof(std::size_t) == 4) {  // an extent alone is too large for the machine
    refuse(one_tensor(record("\"F32\"", "[4294967296,1]", "[0,0]"), ""), {"tensor 'a'.shape[0]", "4294967296"});
    refuse(one_tensor(record("\"F32\"", "[65536,65536]", "[0,0]"), ""), {"tensor 'a'.data_offsets"});
    return;
  }
  // 3 x b = 4 mod 2^64, and 2^62 x 4 bytes = 0 mod 2^64
  refuse(one_tensor(record("\"F32\"", "[3,12297829382473034412]")), {"tensor 'a'.data_offsets", "more bytes than"});
  refuse(one_tensor(record("\"F32\"", "[4611686018427387904]", "[0,0]"), ""), {"more bytes than 64 bits count"});
  refuse(one_tensor(record("\"F32\"", "[4294967296,4294967296]", "[0,0]"), ""), {"more bytes than 64 bits count"});
}

TEST_CASE("safetensors refuses holes, overlaps and a rest", "[safetensors]") {
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes) {
    return raw_safetensors("{\"a\":" + a + ",\"b\":" + b + "}", std::string(bytes, '\0'));
  };
  refuse(one_tensor(record(), std::string(17, '\0')), {"16 bytes of data", "got 17"});
  refuse(one_tensor(record(), std::string(15, '\0')), {"tensor 'a'.data_offsets[1]", "0..15"});
  refuse(raw_safetensors("{}", "x"), {"0 bytes of data", "got 1"});
  refuse(one_tensor(record("\"F32\"", "[3]", "[4,16]")), {"tensor 'a'.data_offsets", "from byte 0", "got 4"});
  refuse(two(record(), record("\"F32\"", "[4]", "[20,36]"), 36), {"tensor 'b'.data_offsets", "from byte 16", "got 20"});
  refuse(two(record(), record("\"F32\"", "[4]", "[8,24]"), 24), {"tensor 'b'.data_offsets", "from byte 16", "got 8"});
  refuse(two(record(), record(), 16), {"data_offsets", "hole or overlap"});
  refuse(two(record(), record("\"F32\"", "[0]", "[8,8]"), 16), {"tensor 'b'.data_offsets", "overlap"});
}

TEST_CASE("safetensors refuses metadata that is not of strings", "[safetensors]") {
  for (const char* value : {"null", "[]", "\"x\"", "1"}) {
    refuse(raw_safetensors("{\"__metadata__\":" + std::string(value) + "}"), {"__metadata__", "an object", value});
  }
  for (const char* value : {"null", "[]", "{}", "1", "true"}) {
    refuse(raw_safetensors("{\"__metadata__\":{\"k\":" + std::string(value) + "}}"),
           {"__metadata__.k", "a string", value});
  }
  refuse(raw_safetensors(R"({"__metadata__":{"k":"1","k":"2"}})"), {"duplicate name 'k'"});
  refuse(raw_safetensors(R"({"__metadata__":{},"__metadata__":{}})"), {"duplicate name '__metadata__'"});
}

TEST_CASE("files of other kinds are recognised", "[safetensors]") {
  const std::string rest(100, '\x07');
  refuse("PK\x03\x04" + rest, {"zip", "tools/convert.py"});
  refuse("\x80\x02}q" + rest, {"pickle", "tools/convert.py"});
  refuse("GGUF" + rest, {"GGUF"});
  refuse("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", {"Git LFS", "git lfs pull"});
  refuse("<!DOCTYPE html><html></html>", {"web page"});
  refuse("{\"a\": 1}", {"JSON text"});
  refuse("\xFF\xD8\xFF\xE0" + rest, {"not a safetensors file", "a JPEG picture"});
  refuse("\x89PNG\r\n\x1A\n" + rest, {"a PNG picture"});
  refuse("RIFF\x10\x20\x30\x40WEBPVP8 " + rest, {"a WebP picture"});
  refuse("GIF89a" + rest, {"a GIF picture"});
  refuse("II*" + rest, {"a TIFF picture"});
  refuse(std::string("MM\0*", 4) + rest, {"a TIFF picture"});
  refuse("\x89HDF\r\n\x1A\n" + rest, {"HDF5"});
  refuse("\x08\x07\x12\x07pytorch" + rest, {"an ONNX file", "tools/convert.py"});
  refuse("# A heading\n\nsome words, \xC3\xA9 too\n", {"looks like text"});
  refuse(rest, {"or a damaged one", "expected a header of 2..4194304 bytes"});
  // A header of 640 bytes begins as a pickle does.
  require_ok(parse(raw_safetensors("{}" + std::string(638, ' '))));
}

TEST_CASE("safetensors with a header of 4 MiB is read fast, a longer one refused", "[safetensors]") {
  std::string header = "{";
  for (std::size_t i = 0; header.size() + 200 < k_max_safetensors_header; ++i) {
    header += (i ? ",\"t" : "\"t") + std::to_string(i * 7919 % 1000003) +
              "\":" + record("\"U8\"", "[1]", "[" + std::to_string(i) + "," + std::to_string(i + 1) + "]");
  }
  header += "}";
  const std::size_t tensors = static_cast<std::size_t>(std::count(header.begin(), header.end(), '[')) / 2;
  header.resize(k_max_safetensors_header, ' ');
  const std::clock_t start = std::clock();  // of this process: the machine may be busy
  const Result<Safetensors> opened = parse(raw_safetensors(header, std::string(tensors, '\0')));
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  require_ok(opened);
  CHECK(opened->tensors().size() == tensors);
  CHECK(seconds < 10.0);  // 0.1 s; the room is for sanitizers and emulators
  refuse(raw_safetensors(header + " ", std::string(tensors, '\0')), {"header", "4194305"});
}

TEST_CASE("safetensors cut or mutated anywhere never crashes", "[safetensors]") {
  const std::string good = small_file().bytes();
  for (std::size_t n = 0; n < good.size(); ++n) {
    const Result<Safetensors> opened = parse(good.substr(0, n));
    INFO("cut to " << n << " bytes");
    REQUIRE_FALSE(opened.ok());
  }
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int change = 0; change < 1 + i % 3; ++change) {
      // Most mutations go to the header: those in the data are always accepted.
      const std::size_t range = i % 8 ? bytes.find(std::string(4, ' ')) : bytes.size();
      bytes[random() % std::min(range, bytes.size())] = static_cast<char>(random());
    }
    const Result<Safetensors> opened = parse(bytes);
    if (!opened.ok()) continue;
    unsigned sum = 0;  // every byte handed out can be read
    for (const NamedTensor& tensor : opened->tensors()) {
      for (std::size_t b = 0; b < tensor.view.bytes(); ++b)
        sum += static_cast<const std::uint8_t*>(tensor.view.data)[b];
    }
    REQUIRE(sum > 0);
  }
}

TEST_CASE("malformed files are refused and the good ones read", "[safetensors][data]") {
  const std::string folder = test::data_folder() + "/data/bad/";
  const std::string manifest = read_file(folder + "manifest.json");
  if (manifest.empty()) {
    return test::skip("LEMORE_TEST_DATA names no folder with data/bad");
  }
  const Result<json::Document> document = json::Document::parse(manifest);
  require_ok(document);
  std::map<std::string, int> seen;
  for (const json::Value entry : document->root()) {
    const std::string file(*entry.find("file").string()), expect(*entry.find("expect").string());
    if (file.compare(0, 12, "safetensors/") != 0) continue;
    INFO(file << ": " << entry.find("fault").text());
    ++seen[expect];
    for (const bool copy : {false, true}) {
      const Result<Safetensors> opened = Safetensors::open(folder + file, copy);
      if (expect == "reject") {
        require_error(opened, StatusCode::invalid_file, {file});
      } else if (expect == "accept" || expect == "model") {
        require_ok(opened);
      }
    }
    // None of them is a weight file.
    require_error(WeightFile::load(folder + file), StatusCode::invalid_file, {file});
    if (expect == "model") {
      require_error(WeightFile::load(folder + file), StatusCode::invalid_file, {file, "tools/convert.py"});
    }
  }
  CHECK(seen["reject"] >= 30);
  CHECK(seen["accept"] >= 6);
  CHECK(seen["model"] >= 5);
}

TEST_CASE("recorded networks of the whole size are read, and refused as weight files", "[safetensors][data]") {
  const std::string path = test::data_folder() + "/golden/lemore-256.safetensors";
  if (read_file(path).empty()) {
    return test::skip("LEMORE_TEST_DATA names no folder with golden");
  }
  const Result<Safetensors> golden = Safetensors::open(path);
  require_ok(golden);
  REQUIRE(golden->find("input") != nullptr);
  CHECK(golden->find("input")->shape == Shape{1, 3, 256, 256});
  CHECK(golden->find("out.stages.3.down") != nullptr);
  require_error(WeightFile::load(path), StatusCode::invalid_file, {path, "training checkpoint", "tools/convert.py"});
}

}  // namespace
}  // namespace lemore
