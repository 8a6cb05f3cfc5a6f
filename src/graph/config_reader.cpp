#include "graph/config_reader.h"

#include "core/text.h"

namespace lemore::graph {

using json::Field;

void ConfigReader::integer(const Field& object, const char* key, int low, int high, int& value) {
  const Field field = object.member(key);
  if (field.value) value = static_cast<int>(integer(field, low, high));
}

void ConfigReader::boolean(const Field& object, const char* key, bool& value) {
  const Field field = object.member(key);
  if (field.value) value = boolean(field);
}

void ConfigReader::number(const Field& object, const char* key, double low, double high, float& value) {
  const Field field = object.member(key);
  if (field.value) value = number(field, low, high);
}

void ConfigReader::integers(const Field& object, const char* key, std::size_t count, int low, int high, int* values) {
  const Field field = object.member(key);
  if (!field.value) return;
  for (const Field& item : list(field, count, count)) *values++ = static_cast<int>(integer(item, low, high));
}

void ConfigReader::input_size(const Field& object, int least, Size& size) {
  int sides[] = {size.height, size.width};
  integers(object, "input_size", 2, least, k_max_size, sides);
  size = {sides[0], sides[1]};
}

void ConfigReader::choice(const Field& object, const char* key, const char* const* names, std::size_t count,
                          int& value) {
  const Field field = object.member(key);
  if (!field.value && value >= 0) return;
  std::string expected;
  for (std::size_t i = 0; i < count; ++i) {
    if (field.value.string() == std::string_view(names[i])) {
      value = static_cast<int>(i);
      return;
    }
    expected += (i == 0 ? "'" : " or '") + std::string(names[i]) + "'";
  }
  fail(field, {expected});
}

void ConfigReader::at_most(const Field& object, const char* what, std::int64_t value, std::int64_t high) {
  if (value > high) fail(object.part(what), {"at most ", high}, join({value}));
}

}  // namespace lemore::graph
