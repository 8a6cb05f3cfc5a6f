// Status, text for messages, shapes and tensors.
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>

#include "core/name.h"
#include "core/text.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
#include "support/status_checks.h"

namespace lemore {
namespace {

TEST_CASE("status codes have names", "[core]") {
  CHECK(Status().ok());
  CHECK(Status().message().empty());
  CHECK(std::string(status_code_name(StatusCode::ok)) == "ok");
  CHECK(std::string(status_code_name(StatusCode::invalid_file)) == "invalid_file");
  CHECK(std::string(status_code_name(StatusCode::cancelled)) == "cancelled");
  const Result<int> none = Status(StatusCode::not_found, "no such stage");
  CHECK_FALSE(none.ok());
  CHECK(none.status().message() == "no such stage");
}

TEST_CASE("untrusted text is made printable", "[core]") {
  CHECK(printable("plain, with spaces") == "plain, with spaces");
  CHECK(printable("a\nb\tc\x7f") == "a\\nb\\x09c\\x7f");
  CHECK(printable("it's \\") == "it\\'s \\\\");
  CHECK(printable("M\xc3\xbcll \xf0\x9f\x98\x80") == "M\xc3\xbcll \xf0\x9f\x98\x80");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");  // U+009B starts a terminal's control sequence
  CHECK(printable(std::string(500, 'x')) == std::string(k_message_text, 'x') + "...");
  CHECK(printable(std::string("\0", 1)) == "\\x00");
}

TEST_CASE("messages are joined of pieces", "[core]") {
  const std::string text = "text";
  CHECK(join({}).empty());
  CHECK(join({"a ", text, std::string_view(" of"), ""}) == "a text of");
  CHECK(join({0, " ", -7, " ", INT64_MIN, " ", UINT64_MAX, " ", std::uint8_t{200}}) ==
        "0 -7 -9223372036854775808 18446744073709551615 200");
  CHECK(join({Size{480, -1}, " ", Shape{3, 4}, Shape{}}) == "480x-1 [3, 4][]");
  const Status status = make_error(StatusCode::not_found, {"no ", 5});
  CHECK(status.code() == StatusCode::not_found);
  CHECK(make_error(status, {"file", ".x"}).message() == "file.x: no 5");
  CHECK(make_error(status, {"file"}).code() == StatusCode::not_found);
}

TEST_CASE("names are parts joined by dots", "[core]") {
  const Name stage("stages", 2), block = stage("blocks", 0);
  CHECK(Name("stem").text() == "stem");
  CHECK(stage.text() == "stages.2");
  CHECK(block("expand.weight").text() == "stages.2.blocks.0.expand.weight");
}

TEST_CASE("UTF-8 sequences are told from others", "[core]") {
  CHECK(utf8_sequence("") == 0);
  CHECK(utf8_sequence("a") == 1);
  CHECK(utf8_sequence("\xc2\x80") == 2);
  CHECK(utf8_sequence("\xe0\xa0\x80") == 3);
  CHECK(utf8_sequence("\xed\x9f\xbf") == 3);
  CHECK(utf8_sequence("\xf0\x90\x80\x80") == 4);
  CHECK(utf8_sequence("\xf4\x8f\xbf\xbf") == 4);
  for (const char* wrong : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
    CHECK(utf8_sequence(wrong) == 0);
  }
}

TEST_CASE("shapes count their elements without wrapping", "[core]") {
  CHECK(Shape().elements() == 1);
  CHECK(Shape{3, 4, 5}.elements() == 60);
  CHECK(Shape{3, 4, 5}.to_string() == "[3, 4, 5]");
  CHECK(Shape().to_string() == "[]");
  const std::size_t large = std::size_t{1} << (std::numeric_limits<std::size_t>::digits / 2);
  CHECK(Shape{large, large}.elements() == SIZE_MAX);
  CHECK(Shape{large, large, 0}.elements() == 0);
  CHECK(Shape{SIZE_MAX, 1}.elements() == SIZE_MAX);
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 0});
  Shape full;
  for (int i = 0; i < Shape::k_max_rank; ++i) CHECK(full.push_back(2));
  CHECK_FALSE(full.push_back(2));
  CHECK(full.elements() == 256);
}

TEST_CASE("element types have a size and safetensors' name", "[core]") {
  const auto check = [](DType type, const std::string& name, std::size_t size) {
    CHECK(dtype_name(type) == name);
    CHECK(dtype_size(type) == size);
  };
  check(DType::f64, "F64", 8);
  check(DType::f32, "F32", 4);
  check(DType::f16, "F16", 2);
  check(DType::bf16, "BF16", 2);
  check(DType::i64, "I64", 8);
  check(DType::i32, "I32", 4);
  check(DType::i16, "I16", 2);
  check(DType::i8, "I8", 1);
  check(DType::u64, "U64", 8);
  check(DType::u32, "U32", 4);
  check(DType::u16, "U16", 2);
  check(DType::u8, "U8", 1);
  check(DType::boolean, "BOOL", 1);
}

TEST_CASE("tensors are aligned, zeroed, copied", "[core]") {
  Result<Tensor> tensor = Tensor::create(DType::f32, {2, 3}, Layout::nhwc);
  test::require_ok(tensor);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor->data()) % k_alignment == 0);
  CHECK(tensor->view().layout == Layout::nhwc);
  CHECK(tensor->view().bytes() == 24);
  for (int i = 0; i < 6; ++i) CHECK(tensor->f32()[i] == 0.0f);
  tensor->f32()[5] = 2.5f;
  const Result<Tensor> copy = Tensor::copy_of(tensor->view());
  test::require_ok(copy);
  CHECK(copy->view().data != tensor->view().data);
  CHECK(copy->f32()[5] == 2.5f);

  Result<Tensor> empty = Tensor::create(DType::f32, {0, 3});
  test::require_ok(empty);
  CHECK(empty->data() == nullptr);
  test::require_ok(Tensor::copy_of(empty->view()));
  test::require_error(Tensor::create(DType::f32, {SIZE_MAX / 2, 3}), StatusCode::out_of_memory, {"F32"});
  test::require_error(Tensor::create(DType::f64, {SIZE_MAX / 8}), StatusCode::out_of_memory, {"F64"});
}

}  // namespace
}  // namespace lemore
