#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/status.h"

namespace lemore::json {

/// What a text may cost. The text's own size bounds everything allocated; these bounds keep it small.
struct Limits {
  std::size_t max_bytes = std::size_t{4} << 20;
  std::size_t max_nodes = std::size_t{1} << 20;
  int max_depth = 32;
};

enum class Type : std::uint8_t { absent, null, boolean, number, string, array, object };

/// "a number", "an object", ... for messages. Never null.
const char* type_name(Type type) noexcept;

class Document;

/// A value inside a Document: a pointer and an index, copied freely. Valid while the document stays where it is and its
/// text lives. A default Value is absent: that is what find() gives for a key that is not there.
class Value {
 public:
  Value() = default;

  Type type() const noexcept;
  explicit operator bool() const noexcept { return document_ != nullptr; }
  bool is(Type t) const noexcept { return type() == t; }

  std::optional<bool> boolean() const noexcept;
  /// Integers only: 1.0 and 1e3 are none, nor is what does not fit.
  std::optional<std::int64_t> int64() const noexcept;
  std::optional<std::uint64_t> uint64() const noexcept;
  /// Any number that a double can hold.
  std::optional<double> number() const noexcept;
  /// A string, escapes resolved.
  std::optional<std::string_view> string() const noexcept;

  /// Items of an array, members of an object, else 0.
  std::size_t size() const noexcept;
  /// The member called `key` of an object (linear), or absent.
  Value find(std::string_view key) const noexcept;
  /// The name of this value where it is a member of an object, else empty.
  std::string_view key() const noexcept;
  /// The value as it stands in the text (of a string: between the quotes, escapes resolved).
  std::string_view text() const noexcept;
  /// text() for a message: printable, strings in double quotes, "nothing" when absent.
  std::string excerpt() const;

  /// Walks the items or members: for (Value item : array).
  class Iterator;
  Iterator begin() const noexcept;
  Iterator end() const noexcept;

 private:
  friend class Document;
  Value(const Document* document, std::uint32_t node) : document_(document), node_(node) {}
  const Document* document_ = nullptr;
  std::uint32_t node_ = 0;
};

/// A parsed JSON text: its values in one flat vector, in the order of the text.
class Document {
 public:
  /// Parses RFC 8259 JSON, strictly: UTF-8 (no overlong forms, no surrogates), no duplicate keys, nothing after the
  /// value but white space, no NaN, comments or trailing commas. The text must outlive the document.
  /// Errors    invalid_file: "JSON at byte 17: expected ',' or '}', got 'x'".
  static Result<Document> parse(std::string_view text, const Limits& limits = {});

  Value root() const noexcept { return Value(this, 0); }

 private:
  friend class Value;
  friend class Parser;

  /// A span of the text, or of unescaped_ where a string has escapes.
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    bool unescaped = false;
  };
  struct Node {
    Span text;
    Span key;
    std::uint32_t next = 0;   ///< index of the node behind this one and all that it contains
    std::uint32_t count = 0;  ///< items or members
    Type type = Type::null;
  };

  std::string_view view(const Span& span) const noexcept;

  std::string_view text_;
  std::vector<char> unescaped_;
  std::vector<Node> nodes_;
};

class Value::Iterator {
 public:
  Value operator*() const noexcept { return Value(document_, node_); }
  Iterator& operator++() noexcept;
  bool operator!=(const Iterator& other) const noexcept { return node_ != other.node_; }

 private:
  friend class Value;
  Iterator(const Document* document, std::uint32_t node) : document_(document), node_(node) {}
  const Document* document_;
  std::uint32_t node_;
};

/// A value and where it stands, for instance config.stages[0].channels.
struct Field {
  Value value;
  std::string path;
};

/// Reads fields with their checks. The first problem is kept; what is read after it is meaningless but harmless, so a
/// caller checks ok() once at the end (and before it loops over what it read).
class FieldReader {
 public:
  /// `file` begins every message.
  explicit FieldReader(std::string file) : file_(std::move(file)) {}

  bool ok() const noexcept { return status_.ok(); }
  const Status& status() const noexcept { return status_; }
  /// Keeps "file: path: expected EXPECTED, got GOT" unless there was a problem before.
  void fail(const Field& field, const std::string& expected, const std::string& got);
  void fail(const Field& field, const std::string& expected) { fail(field, expected, field.value.excerpt()); }

  /// The member `key` of an object, absent or not.
  static Field member(const Field& object, const char* key);

  /// Checks that the field is an object with no other fields than `known`.
  bool object(const Field& field, std::initializer_list<const char*> known);
  /// Items of a list of low..high items; empty on a problem.
  std::vector<Field> list(const Field& field, std::size_t low, std::size_t high);
  std::int64_t integer(const Field& field, std::int64_t low, std::int64_t high);
  bool boolean(const Field& field);
  float number(const Field& field, double low, double high);
  std::string string(const Field& field);

 private:
  std::string file_;
  Status status_;
};

}  // namespace lemore::json
