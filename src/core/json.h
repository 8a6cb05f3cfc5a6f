#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"
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

/// A value and where it stands, for instance config.stages[0].channels. A field points to the one that it is part of,
/// which must outlive it.
class Field {
 public:
  Field(const Value& v, std::string_view name) noexcept : value(v), part_(name) {}

  /// The member `key` of an object, absent or not.
  Field member(std::string_view key) const& noexcept { return {value.find(key), this, key, 0}; }
  /// A part of this value that has a name but no value of its own.
  Field part(std::string_view name) const& noexcept { return {value, this, name, 0}; }
  Field member(std::string_view key) const&& = delete;
  Field part(std::string_view name) const&& = delete;

  std::string path() const;

  Value value;

 private:
  friend class Items;
  Field(const Value& v, const Field* outer, std::string_view part, std::size_t index) noexcept
      : value(v), outer_(outer), part_(part), index_(index) {}
  void append_path(std::string& out) const;

  const Field* outer_ = nullptr;
  std::string_view part_;  ///< fit for a message; empty for an item of a list
  std::size_t index_ = 0;
};

/// The items of a list: for (const Field& item : items). They point to it.
class Items {
 public:
  class Iterator {
   public:
    Field operator*() const noexcept { return {*at_, list_, {}, index_}; }
    Iterator& operator++() noexcept {
      ++at_;
      ++index_;
      return *this;
    }
    bool operator!=(const Iterator& other) const noexcept { return at_ != other.at_; }

   private:
    friend class Items;
    Iterator(const Field* list, Value::Iterator at) noexcept : list_(list), at_(at) {}
    const Field* list_;
    Value::Iterator at_;
    std::size_t index_ = 0;
  };

  /// Of a list, or none of anything else.
  explicit Items(const Field& list) noexcept : list_(list) {}

  std::size_t size() const noexcept { return list_.value.size(); }
  Iterator begin() const noexcept { return {&list_, list_.value.begin()}; }
  Iterator end() const noexcept { return {&list_, list_.value.end()}; }

 private:
  Field list_;
};

/// Reads fields with their checks. The first problem is kept; what is read after it is meaningless but harmless, so a
/// caller checks ok() once at the end (and before it loops over what it read).
class FieldReader {
 public:
  /// `file` begins every message.
  explicit FieldReader(std::string_view file) : file_(file) {}

  bool ok() const noexcept { return status_.ok(); }
  const Status& status() const noexcept { return status_; }
  /// Keeps "file: path: expected EXPECTED, got GOT" unless there was a problem before.
  void fail(const Field& field, std::initializer_list<Piece> expected, std::string_view got);
  /// As fail with the value itself as GOT.
  void fail(const Field& field, std::initializer_list<Piece> expected);

  /// Checks that the field is an object with no other fields than `known`.
  bool object(const Field& field, std::initializer_list<const char*> known);
  /// Items of a list of low..high items; none on a problem.
  Items list(const Field& field, std::size_t low, std::size_t high);
  std::int64_t integer(const Field& field, std::int64_t low, std::int64_t high);
  bool boolean(const Field& field);
  float number(const Field& field, double low, double high);
  std::string string(const Field& field);

 private:
  std::string file_;
  Status status_;
};

}  // namespace lemore::json
