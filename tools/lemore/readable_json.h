#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lemore::cli {

/// JSON from a weight file (metrics, a configuration) as people read it: one line a member, "name  value", names with
/// spaces instead of underscores; a list of small objects as a table. Every line is indented by `indent` spaces, and
/// nothing in it reaches a terminal unescaped (one_line).
std::string readable_json(const nlohmann::ordered_json& json, std::size_t indent);

}  // namespace lemore::cli
