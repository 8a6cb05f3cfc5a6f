#include "core/json.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <ctime>
#include <limits>
#include <random>

#include "support/status_checks.h"

namespace lemore::json {
namespace {

using test::require_error;
using test::require_ok;

/// The root of a text that must parse; the text must be a literal.
class Parsed {
 public:
  explicit Parsed(std::string_view text) : document_(Document::parse(text)) { require_ok(document_); }
  Value operator*() const { return document_->root(); }
  Value operator[](std::string_view key) const { return document_->root().find(key); }

 private:
  Result<Document> document_;
};

void refuse(std::string_view text, std::initializer_list<std::string> parts = {}) {
  INFO("text: " << text);
  require_error(Document::parse(text), StatusCode::invalid_file, {"JSON"});
  require_error(Document::parse(text), StatusCode::invalid_file, parts);
}

TEST_CASE("JSON values come back as they are", "[json]") {
  const Parsed parsed(R"( {"a": [1, -2.5, true, false, null, "x"], "b": {"c": {}}, "d": []} )");
  REQUIRE((*parsed).is(Type::object));
  CHECK((*parsed).size() == 3);
  std::vector<Value> items;
  for (const Value item : parsed["a"]) items.push_back(item);
  REQUIRE(items.size() == 6);
  CHECK(items[0].int64() == 1);
  CHECK(items[1].number() == -2.5);
  CHECK(items[2].boolean() == true);
  CHECK(items[3].boolean() == false);
  CHECK(items[4].is(Type::null));
  CHECK(items[5].string() == std::string_view("x"));
  CHECK(parsed["b"].find("c").is(Type::object));
  CHECK(parsed["b"].text() == R"({"c": {}})");
  CHECK_FALSE(parsed["b"].find("x"));
  CHECK_FALSE(parsed["a"].find("x"));
  std::string keys;
  for (const Value member : *parsed) keys += member.key();
  CHECK(keys == "abd");
  for (const Value item : parsed["d"]) FAIL("an empty list has no item " << item.excerpt());
  CHECK(parsed["x"].excerpt() == "nothing");
  CHECK(parsed["a"].excerpt() == R"([1, -2.5, true, false, null, "x"])");
  CHECK_FALSE(parsed["x"].find("y").find("z"));
}

TEST_CASE("JSON integers are exact and nothing else passes for one", "[json]") {
  const auto value = [](std::string_view text) { return Parsed(text); };
  CHECK((*value("9223372036854775807")).int64() == std::numeric_limits<std::int64_t>::max());
  CHECK((*value("-9223372036854775808")).int64() == std::numeric_limits<std::int64_t>::min());
  CHECK((*value("18446744073709551615")).uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK((*value("9007199254740993")).int64() == 9007199254740993);
  CHECK_FALSE((*value("9223372036854775808")).int64());
  CHECK_FALSE((*value("18446744073709551616")).uint64());
  CHECK_FALSE((*value("-1")).uint64());
  CHECK_FALSE((*value("1.0")).int64());
  CHECK_FALSE((*value("1e3")).int64());
  CHECK_FALSE((*value("\"1\"")).int64());
  CHECK_FALSE((*value("true")).int64());
  CHECK((*value("1e3")).number() == 1000.0);
  CHECK((*value("0.1")).number() == 0.1);
  CHECK((*value("-0")).int64() == 0);
  CHECK_FALSE((*value("1e999")).number());
  CHECK_FALSE((*value("null")).number());
}

TEST_CASE("JSON escapes are resolved", "[json]") {
  const Parsed parsed(R"({"a\u0062c": "q\"\\\/\b\f\n\r\t", "u": "\u00e9\u20ac\ud83d\ude00\u0000", "plain": "é"})");
  CHECK(parsed["abc"].string() == std::string_view("q\"\\/\b\f\n\r\t"));
  CHECK(parsed["u"].string() == std::string_view("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0", 10));
  CHECK(parsed["plain"].string() == std::string_view("\xc3\xa9"));
  refuse(R"(["\x"])", {"escape"});
  refuse(R"(["\u12g4"])", {"hexadecimal"});
  refuse(R"(["\u12)");
  refuse(R"(["\)");
  refuse(R"(["\ud83d"])", {"surrogate"});
  refuse(R"(["\ud83dx"])", {"surrogate"});
  refuse(R"(["\ud83d\u0041"])", {"surrogate"});
  refuse(R"(["\ude00"])", {"surrogate"});
}

TEST_CASE("JSON that is none is refused", "[json]") {
  for (const char* text : {"",           " ",
                           "{",          "}",
                           "[",          "[1",
                           "[1,",        "[1,]",
                           "{\"a\"",     "{\"a\":",
                           "{\"a\":1",   "{\"a\":1,",
                           "{\"a\":1,}", "{a:1}",
                           "{'a':1}",    "{1:2}",
                           "[1 2]",      "{\"a\" 1}",
                           "nul",        "True",
                           "NaN",        "Infinity",
                           "-Infinity",  "[NaN]",
                           "01",         "-",
                           "+1",         ".5",
                           "1.",         "1.e3",
                           "1e",         "1e+",
                           "0x10",       "1_000",
                           "- 1",        "--1",
                           "\"abc",      "\"a\nb\"",
                           "\"a\tb\"",   "// x\n1",
                           "/* x */ 1",  "1 // x",
                           "{} {}",      "1 2",
                           "[1]]",       "\xef\xbb\xbf{}",
                           "[1,,2]",     "[,1]",
                           "{,}",        "\x0c[]",
                           "nulll"}) {
    refuse(text, {"expected"});
  }
  refuse("00", {"leading 0"});
  refuse("[1] x", {"byte 4", "the end of the text", "'x'"});
  refuse("{\"a\" \n 1}", {"byte 7", "':'"});
  refuse("[\x01]", {"'\\x01'"});
}

TEST_CASE("JSON strings must be UTF-8", "[json]") {
  for (const char* text :
       {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\xc3"}) {
    refuse(text, {"UTF-8"});
  }
}

TEST_CASE("JSON names in an object differ", "[json]") {
  refuse(R"({"a":1,"a":2})", {"duplicate name 'a'"});
  refuse(R"({"a":1,"\u0061":2})", {"duplicate name 'a'"});
  refuse(R"([{"x":{"a":1,"b":2,"c":3,"b":4}}])", {"duplicate name 'b'"});
  refuse(R"({"":1,"":2})", {"duplicate name ''"});
  Parsed(R"({"a":{"a":{"a":1}},"b":{"a":1}})");
}

TEST_CASE("JSON is bounded in depth, values and bytes", "[json]") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  Limits limits;
  limits.max_depth = 5;
  limits.max_nodes = 10;
  limits.max_bytes = 40;
  require_ok(Document::parse(nested(5), limits));
  require_error(Document::parse(nested(6), limits), StatusCode::invalid_file, {"5 levels"});
  require_ok(Document::parse("[1,2,3,4,5,6,7,8,9]", limits));
  require_error(Document::parse("[1,2,3,4,5,6,7,8,9,10]", limits), StatusCode::invalid_file, {"10 values"});
  require_error(Document::parse(std::string(41, ' '), limits), StatusCode::invalid_file, {"41 bytes", "at most 40"});
}

std::string repeat(const std::string& part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST_CASE("JSON of half a million braces is refused at once", "[json]") {
  for (const std::string& text : {std::string(500000, '{'), std::string(500000, '['), repeat("{\"a\":", 500000)}) {
    require_error(Document::parse(text), StatusCode::invalid_file, {"JSON"});
  }
}

TEST_CASE("JSON of 4 MiB parses in time that does not grow with its square", "[json]") {
  // Names with a long common beginning are the worst case of the duplicate check.
  std::string text = "{";
  const std::string prefix(40, 'x');
  for (int i = 0; text.size() < (std::size_t{4} << 20) - 100; ++i) {
    text += (i ? ",\"" : "\"") + prefix + std::to_string(i * 7919 % 1000003) + "\":" + std::to_string(i);
  }
  text += "}";
  const std::clock_t start = std::clock();  // of this process: the machine may be busy
  const Result<Document> document = Document::parse(text);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  require_ok(document);
  CHECK(document->root().size() > 60000);
  CHECK(seconds < 20.0);  // some 20 ms; the room is for -O0, sanitizers and emulators
}

TEST_CASE("JSON mutated at random never crashes the parser", "[json]") {
  const std::string good = R"({"a\u00e9": [1, -2.5e3, true, null, "x\n\ud83d\ude00"], "b": {"c": "é"}, "d": 0.25})";
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(Document::parse(std::string_view(good).substr(0, n)).ok());
  std::mt19937 random(20);
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    for (int change = 0; change < 1 + i % 3; ++change) text[random() % text.size()] = static_cast<char>(random());
    const Result<Document> document = Document::parse(text);
    if (document.ok()) continue;
    const std::string& message = document.status().message();
    REQUIRE(std::all_of(message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; }));
  }
}

TEST_CASE("fields are read with their checks", "[json]") {
  const Parsed parsed(R"({"n": 5, "f": 2.5, "s": "text", "l": [1, 2], "b": true, "o": {"x": 1}})");
  const Field root{*parsed, "root"};
  const auto message = [&](auto&& read) {
    FieldReader reader("file.json");
    read(reader);
    CHECK_FALSE(reader.ok());
    return reader.status().message();
  };
  FieldReader reader("file.json");
  CHECK(reader.integer(root.member("n"), 1, 5) == 5);
  CHECK(reader.number(root.member("f"), 0, 3) == 2.5f);
  CHECK(reader.string(root.member("s")) == "text");
  CHECK(reader.list(root.member("l"), 1, 2).size() == 2);
  CHECK(reader.boolean(root.member("b")));
  CHECK(reader.object(root.member("o"), {"x", "y"}));
  CHECK(reader.ok());

  CHECK(message([&](auto& r) { r.integer(root.member("n"), 6, 9); }) ==
        "file.json: root.n: expected an integer in 6..9, got 5");
  CHECK(message([&](auto& r) { r.integer(root.member("f"), 0, 9); }) ==
        "file.json: root.f: expected an integer in 0..9, got 2.5");
  CHECK(message([&](auto& r) { r.integer(root.member("no"), 0, 9); }) ==
        "file.json: root.no: expected an integer in 0..9, got nothing");
  CHECK(message([&](auto& r) { r.number(root.member("s"), 0, 1); }) ==
        "file.json: root.s: expected a number in 0..1, got \"text\"");
  CHECK(message([&](auto& r) { r.string(root.member("n")); }) == "file.json: root.n: expected a string, got 5");
  CHECK(message([&](auto& r) { r.boolean(root.member("n")); }) == "file.json: root.n: expected true or false, got 5");
  CHECK(message([&](auto& r) { r.list(root.member("l"), 3, 3); }) ==
        "file.json: root.l: expected a list of 3 items, got 2");
  CHECK(message([&](auto& r) { r.list(root.member("n"), 1, 3); }) ==
        "file.json: root.n: expected a list of 1..3 items, got 5");
  CHECK(message([&](auto& r) { r.object(root.member("o"), {"y"}); }) ==
        "file.json: root.o: expected no other fields than y, got unknown field 'x'");
  CHECK(message([&](auto& r) { r.object(root.member("l"), {"y"}); }) ==
        "file.json: root.l: expected an object, got [1, 2]");
  CHECK(message([&](auto& r) {
          r.string(root.member("n"));
          r.string(root.member("f"));
        }) == "file.json: root.n: expected a string, got 5");
}

}  // namespace
}  // namespace lemore::json
