#include "weights/protocol_fields.h"

#include <iterator>

namespace lemore {

void read_protocol(graph::ConfigReader& reader, const json::Field& root, Size input, Preprocessing& out) {
  out.resize = static_cast<ResizeRule>(read_choice(reader, root, "resize", k_resize_rules));
  const auto optional = [&](const char* key, const char* const* names, std::size_t count) {
    int choice = 0;
    reader.choice(root, key, names, count, choice);
    return choice;
  };
  out.size_rule = static_cast<SizeRule>(optional("size_rule", k_size_rules, std::size(k_size_rules)));
  reader.integer(root, "divisor", 1, 4096, out.divisor);
  int fit[2] = {}, window[2] = {}, stride[2] = {};
  const auto pair = [&](const char* key, bool is_there, int* values) {
    const json::Field field = root.member(key);
    if (is_there && !field.value) reader.fail(field, {"two whole numbers"});
    if (!is_there && field.value) reader.fail(field, {"nothing with this size_rule and mode"});
    reader.integers(root, key, 2, 1, graph::ConfigReader::k_max_size, values);
  };
  pair("fit", out.size_rule == SizeRule::fit, fit);
  constexpr const char* k_ways[] = {"whole", "slide"};
  out.slide = optional("mode", k_ways, std::size(k_ways)) == 1;
  pair("window", out.slide, window);
  pair("stride", out.slide, stride);
  out.fit_long = fit[0];
  out.fit_short = fit[1];
  out.stride = {stride[0], stride[1]};
  if (!reader.ok() || !out.slide) return;
  if (Size{window[0], window[1]} != input)
    reader.fail(root.member("window"), {"the configuration's input_size, ", input});
  if (stride[0] > window[0] || stride[1] > window[1]) reader.fail(root.member("stride"), {"at most the window"});
}

}  // namespace lemore
