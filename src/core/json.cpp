#include "core/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace lemore::json {

const char* type_name(Type type) noexcept {
  switch (type) {
    case Type::absent:
      return "nothing";
    case Type::null:
      return "null";
    case Type::boolean:
      return "true or false";
    case Type::number:
      return "a number";
    case Type::string:
      return "a string";
    case Type::array:
      return "a list";
    case Type::object:
      return "an object";
  }
  return "unknown";
}

/// Recursive descent over the text. Functions return false after fail(); the depth is bounded, so the stack is too.
class Parser {
 public:
  Parser(Document& document, const Limits& limits) : document_(document), limits_(limits), text_(document.text_) {}

  Status parse() {
    // Everything is indexed with 32 bits.
    const std::size_t max_bytes = std::min<std::size_t>(limits_.max_bytes, std::numeric_limits<std::int32_t>::max());
    if (text_.size() > max_bytes) {
      return make_error(StatusCode::invalid_file, {"JSON of ", text_.size(), " bytes: expected at most ", max_bytes});
    }
    skip_space();
    if (value({}, 0)) {
      skip_space();
      if (at_ != text_.size()) fail("the end of the text");
    }
    return std::move(status_);
  }

 private:
  using Span = Document::Span;

  bool fail_with(std::initializer_list<Piece> problem) {
    if (status_.ok()) status_ = make_error(StatusCode::invalid_file, {"JSON at byte ", at_, ": ", join(problem)});
    return false;
  }

  bool fail(const char* expected) {
    std::string got = "the end of the text";
    if (at_ < text_.size()) {
      const std::size_t length = std::max<std::size_t>(utf8_sequence(text_.substr(at_)), 1);
      got = join({"'", printable(text_.substr(at_, length)), "'"});
    }
    return fail_with({"expected ", expected, ", got ", got});
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void skip_space() {
    while (at_ < text_.size() && std::memchr(" \t\n\r", text_[at_], 4) != nullptr) ++at_;
  }

  static Span span(std::size_t begin, std::size_t end) {
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin), false};
  }

  bool value(const Span& key, int depth) {
    if (document_.nodes_.size() >= limits_.max_nodes) {
      return fail_with({"expected at most ", limits_.max_nodes, " values, got more"});
    }
    const std::size_t node = document_.nodes_.size(), begin = at_;
    document_.nodes_.emplace_back();
    document_.nodes_[node].key = key;

    Type type = Type::null;
    Span text;
    std::uint32_t count = 0;
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth >= limits_.max_depth) {
        return fail_with({"expected at most ", limits_.max_depth, " levels, got more"});
      }
      type = c == '{' ? Type::object : Type::array;
      if (!(c == '{' ? object(node, depth, count) : array(depth, count))) return false;
    } else if (c == '"') {
      type = Type::string;
      if (!string(text)) return false;
    } else if (c == '-' || is_digit(c)) {
      type = Type::number;
      if (!number()) return false;
    } else if (literal("true") || literal("false")) {
      type = Type::boolean;
    } else if (!literal("null")) {
      return fail("a JSON value");
    }

    Document::Node& done = document_.nodes_[node];
    done.type = type;
    done.text = type == Type::string ? text : span(begin, at_);
    done.count = count;
    done.next = static_cast<std::uint32_t>(document_.nodes_.size());
    return true;
  }

  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool array(int depth, std::uint32_t& count) {
    ++at_;
    skip_space();
    if (literal("]")) return true;
    while (true) {
      if (!value({}, depth + 1)) return false;
      ++count;
      skip_space();
      if (literal("]")) return true;
      if (!literal(",")) return fail("',' or ']'");
      skip_space();
    }
  }

  bool object(std::size_t node, int depth, std::uint32_t& count) {
    ++at_;
    skip_space();
    if (literal("}")) return true;
    while (true) {
      Span key;
      if (peek() != '"') return fail("a name in double quotes");
      if (!string(key)) return false;
      skip_space();
      if (!literal(":")) return fail("':'");
      skip_space();
      if (!value(key, depth + 1)) return false;
      ++count;
      skip_space();
      if (literal("}")) return keys_differ(node, count);
      if (!literal(",")) return fail("',' or '}'");
      skip_space();
    }
  }

  /// Sorted comparison, so that a header of a hundred thousand names stays fast; the scratch is one string_view a name.
  bool keys_differ(std::size_t node, std::uint32_t count) {
    std::vector<std::string_view> keys;
    keys.reserve(count);
    for (std::size_t i = node + 1; i < document_.nodes_.size(); i = document_.nodes_[i].next) {
      keys.push_back(document_.view(document_.nodes_[i].key));
    }
    std::sort(keys.begin(), keys.end());
    const auto same = std::adjacent_find(keys.begin(), keys.end());
    return same == keys.end() || fail_with({"duplicate name '", printable(*same), "'"});
  }

  /// number = [ "-" ] ( "0" / 1-9 digits ) [ "." digits ] [ ( "e" / "E" ) [ "+" / "-" ] digits ]
  bool number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
      if (is_digit(peek())) return fail("no digit after a leading 0");
    } else if (!digits()) {
      return false;
    }
    if (peek() == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    return true;
  }

  bool digits() {
    if (!is_digit(peek())) return fail("a digit");
    while (is_digit(peek())) ++at_;
    return true;
  }

  bool string(Span& out) {
    const std::size_t begin = ++at_;
    while (true) {  // up to the first escape there is nothing to copy
      if (!plain_characters()) return false;
      if (peek() == '"') {
        out = span(begin, at_++);
        return true;
      }
      if (peek() == '\\') break;
      return fail("'\"'");
    }
    std::vector<char>& copy = document_.unescaped_;  // never longer than the text
    out = {static_cast<std::uint32_t>(copy.size()), 0, true};
    append(copy, text_.substr(begin, at_ - begin));
    while (peek() == '\\') {
      if (!escape(copy)) return false;
      const std::size_t run = at_;
      if (!plain_characters()) return false;
      append(copy, text_.substr(run, at_ - run));
    }
    if (peek() != '"') return fail("'\"'");
    ++at_;
    out.size = static_cast<std::uint32_t>(copy.size()) - out.begin;
    return true;
  }

  static void append(std::vector<char>& to, std::string_view text) { to.insert(to.end(), text.begin(), text.end()); }

  /// Moves to the next quote or backslash, or to the end of the text.
  bool plain_characters() {
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte >= 0x20 && byte < 0x80) {
        ++at_;
        continue;
      }
      const std::size_t length = byte < 0x20 ? 0 : utf8_sequence(text_.substr(at_));
      if (length == 0) return fail(byte < 0x20 ? "no control character in a string" : "UTF-8");
      at_ += length;
    }
    return true;
  }

  bool escape(std::vector<char>& out) {
    static constexpr std::string_view k_escapes = "\"\\/bfnrt", k_meanings = "\"\\/\b\f\n\r\t";
    ++at_;
    const std::size_t which = at_ < text_.size() ? k_escapes.find(text_[at_]) : std::string_view::npos;
    if (which != std::string_view::npos) {
      out.push_back(k_meanings[which]);
      ++at_;
      return true;
    }
    std::uint32_t code = 0;
    if (peek() != 'u') return fail("an escape of JSON");
    ++at_;
    if (!hex4(code)) return false;
    if (code >= 0xD800 && code < 0xE000) {  // a pair of surrogates stands for one character
      std::uint32_t low = 0;
      if (code >= 0xDC00) return fail_with({"a low surrogate without a high one"});
      if (!literal("\\u")) return fail("the second half of a surrogate pair");
      if (!hex4(low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return fail_with({"a high surrogate without a low one"});
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
    return true;
  }

  bool hex4(std::uint32_t& code) {
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (is_digit(c)) {
        code = code * 16 + static_cast<std::uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        code = code * 16 + static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        return fail("four hexadecimal digits");
      }
    }
    return true;
  }

  static void append_utf8(std::vector<char>& out, std::uint32_t code) {
    const auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | ((code >> shift) & 0x3F))); };
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out.push_back(static_cast<char>(0xC0 | (code >> 6)));
      tail(0);
    } else if (code < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | (code >> 12)));
      tail(6);
      tail(0);
    } else {
      out.push_back(static_cast<char>(0xF0 | (code >> 18)));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  Document& document_;
  const Limits& limits_;
  std::string_view text_;
  std::size_t at_ = 0;
  Status status_;
};

Result<Document> Document::parse(std::string_view text, const Limits& limits) {
  Document document;
  document.text_ = text;
  Status status = Parser(document, limits).parse();
  if (!status.ok()) return status;
  return document;
}

std::string_view Document::view(const Span& span) const noexcept {
  return span.unescaped ? std::string_view(unescaped_.data() + span.begin, span.size)
                        : text_.substr(span.begin, span.size);
}

Type Value::type() const noexcept { return document_ ? document_->nodes_[node_].type : Type::absent; }

std::string_view Value::text() const noexcept {
  return document_ ? document_->view(document_->nodes_[node_].text) : std::string_view();
}

std::string_view Value::key() const noexcept {
  return document_ ? document_->view(document_->nodes_[node_].key) : std::string_view();
}

std::optional<bool> Value::boolean() const noexcept {
  if (!is(Type::boolean)) return std::nullopt;
  return text() == "true";
}

namespace {

/// A number of exactly the characters of `text`, or nothing. Integers: 1.0 leaves ".0" over, 2^64 does not fit.
template <typename T>
std::optional<T> from_text(std::string_view text) noexcept {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> Value::int64() const noexcept {
  return is(Type::number) ? from_text<std::int64_t>(text()) : std::nullopt;
}

std::optional<std::uint64_t> Value::uint64() const noexcept {
  return is(Type::number) ? from_text<std::uint64_t>(text()) : std::nullopt;
}

std::optional<double> Value::number() const noexcept {
  return is(Type::number) ? from_text<double>(text()) : std::nullopt;
}

std::optional<std::string_view> Value::string() const noexcept {
  if (!is(Type::string)) return std::nullopt;
  return text();
}

std::size_t Value::size() const noexcept { return document_ ? document_->nodes_[node_].count : 0; }

Value Value::find(std::string_view key) const noexcept {
  if (is(Type::object)) {
    for (Value member : *this) {
      if (member.key() == key) return member;
    }
  }
  return {};
}

std::string Value::excerpt() const {
  if (!document_) return type_name(Type::absent);
  const std::string text_part = printable(text());
  return is(Type::string) ? join({"\"", text_part, "\""}) : text_part;
}

Value::Iterator Value::begin() const noexcept { return {document_, node_ + 1}; }

Value::Iterator Value::end() const noexcept {
  return {document_, size() > 0 ? document_->nodes_[node_].next : node_ + 1};
}

Value::Iterator& Value::Iterator::operator++() noexcept {
  node_ = document_->nodes_[node_].next;
  return *this;
}

void Field::append_path(std::string& out) const {
  if (outer_ != nullptr) outer_->append_path(out);
  if (!part_.empty()) {
    if (outer_ != nullptr) out += '.';
    out += part_;
  } else {
    out += '[';
    Piece(index_).append_to(out);
    out += ']';
  }
}

std::string Field::path() const {
  std::string out;
  append_path(out);
  return out;
}

void FieldReader::fail(const Field& field, std::initializer_list<Piece> expected, std::string_view got) {
  if (!ok()) return;
  status_ =
      make_error(StatusCode::invalid_file, {file_, ": ", field.path(), ": expected ", join(expected), ", got ", got});
}

void FieldReader::fail(const Field& field, std::initializer_list<Piece> expected) {
  fail(field, expected, field.value.excerpt());
}

bool FieldReader::object(const Field& field, std::initializer_list<const char*> known) {
  if (!field.value.is(Type::object)) {
    fail(field, {"an object"});
    return false;
  }
  for (const Value member : field.value) {
    if (std::find(known.begin(), known.end(), member.key()) != known.end()) continue;
    std::string names;
    for (const char* name : known) names.append(names.empty() ? "" : ", ").append(name);
    fail(field, {"no other fields than ", names}, join({"unknown field '", printable(member.key()), "'"}));
    return false;
  }
  return true;
}

Items FieldReader::list(const Field& field, std::size_t low, std::size_t high) {
  const Value value = field.value;
  const bool is_list = value.is(Type::array);
  if (is_list && value.size() >= low && value.size() <= high) return Items(field);
  const std::string got = is_list ? join({value.size()}) : value.excerpt();
  if (low == high)
    fail(field, {"a list of ", low, " items"}, got);
  else
    fail(field, {"a list of ", low, "..", high, " items"}, got);
  return Items(Field({}, {}));
}

std::int64_t FieldReader::integer(const Field& field, std::int64_t low, std::int64_t high) {
  const std::optional<std::int64_t> value = field.value.int64();
  if (value && *value >= low && *value <= high) return *value;
  fail(field, {"an integer in ", low, "..", high});
  return low;
}

bool FieldReader::boolean(const Field& field) {
  const std::optional<bool> value = field.value.boolean();
  if (!value) fail(field, {"true or false"});
  return value.value_or(false);
}

float FieldReader::number(const Field& field, double low, double high) {
  const std::optional<double> value = field.value.number();
  if (value && *value >= low && *value <= high) return static_cast<float>(*value);
  const auto text = [](double bound) {
    char buffer[32];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, bound);
    return std::string(buffer, error == std::errc() ? end : buffer);
  };
  fail(field, {"a number in ", text(low), "..", text(high)});
  return static_cast<float>(low);
}

std::string FieldReader::string(const Field& field) {
  const std::optional<std::string_view> value = field.value.string();
  if (!value) fail(field, {"a string"});
  return std::string(value.value_or(std::string_view()));
}

}  // namespace lemore::json
