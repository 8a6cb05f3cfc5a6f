#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/json.h"

namespace lemore::graph {

/// Reads the fields of a network's configuration: an absent field leaves the value that is there; an unknown field, a
/// wrong type or a value out of bounds is a mistake that names the file and the field.
class ConfigReader : public json::FieldReader {
 public:
  using FieldReader::boolean;
  using FieldReader::FieldReader;
  using FieldReader::integer;
  using FieldReader::number;

  // Bounds far beyond any sensible network; tools/lemore_torch has them too.
  static constexpr int k_max_size = 16384;
  static constexpr int k_max_channels = 8192;
  static constexpr int k_max_layers = 64;
  static constexpr std::int64_t k_max_wide_channels = 65536;

  void integer(const json::Field& object, const char* key, int low, int high, int& value);
  void boolean(const json::Field& object, const char* key, bool& value);
  void number(const json::Field& object, const char* key, double low, double high, float& value);
  /// "<key>": a list of exactly `count` whole numbers.
  void integers(const json::Field& object, const char* key, std::size_t count, int low, int high, int* values);
  /// "input_size": [height, width], each of least..k_max_size.
  void input_size(const json::Field& object, int least, Size& size);
  /// One of `count` names; its index. Where `value` is below 0 the field must be there.
  void choice(const json::Field& object, const char* key, const char* const* names, std::size_t count, int& value);
  void choice(const json::Field& object, const char* key, std::initializer_list<const char*> names, int& value) {
    choice(object, key, names.begin(), names.size(), value);
  }
  /// A mistake unless `value`, which follows from several fields, is at most `high`.
  void at_most(const json::Field& object, const char* what, std::int64_t value, std::int64_t high);
};

}  // namespace lemore::graph
