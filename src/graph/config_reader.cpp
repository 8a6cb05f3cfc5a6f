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

void ConfigReader::input_size(const Field& object, Size& size) {
  int sides[] = {size.height, size.width};
  integers(object, "input_size", 2, k_min_size, k_max_size, sides);
  size = {sides[0], sides[1]};
}

void ConfigReader::choice(const Field& object, const char* key, std::initializer_list<const char*> names, int& value) {
  const Field field = object.member(key);
  if (!field.value) return;
  int index = 0;
  std::string expected;
  for (const char* name : names) {
    if (field.value.string() == std::string_view(name)) {
      value = index;
      return;
    }
    expected += (expected.empty() ? "'" : " or '") + std::string(name) + "'";
    ++index;
  }
  fail(field, {expected});
}

void ConfigReader::at_most(const Field& object, const char* what, std::int64_t value, std::int64_t high) {
  if (value > high) fail(object.part(what), {"at most ", high}, join({value}));
}

}  // namespace lemore::graph
