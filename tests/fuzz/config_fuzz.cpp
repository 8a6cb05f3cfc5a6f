// Configurations, and the strict JSON below them.
#include <string>
#include <string_view>

#include "config/lemore_config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = lemore::parse_lemore_config(text, "fuzz");
  if (config.ok()) {
    require(config->outputs() >= 1 && config->input_h >= 1 && config->input_w >= 1);
  } else {
    require(config.status().message().find('\n') == std::string::npos);
  }
  return 0;
}
