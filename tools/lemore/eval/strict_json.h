#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "lemore/status.h"

namespace lemore::cli {

/// Reads a JSON file in UTF-8, with a byte order mark before it or not. A name that stands twice in one object is an
/// error: JSON does not say which of the two would count. Errors: io_error, invalid_file naming the file.
Result<nlohmann::ordered_json> read_strict_json(const std::string& path, std::size_t max_bytes);

}  // namespace lemore::cli
