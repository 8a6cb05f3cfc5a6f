#include "eval/strict_json.h"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "file_io.h"
#include "report.h"

namespace lemore::cli {

using Json = nlohmann::ordered_json;

Result<Json> read_strict_json(const std::string& path, std::size_t max_bytes) {
  std::vector<std::uint8_t> bytes;
  if (const Status status = read_file(path, bytes, max_bytes); !status.ok()) return status;
  std::vector<std::set<std::string>> names;  // of the objects that are open
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(value.get<std::string>()).second && twice.empty())
      twice = "'" + one_line(value.get<std::string>()) + "' stands there twice";
    return true;
  };
  Json json = Json::parse(bytes.begin(), bytes.end(), watch, false);  // steps over a byte order mark
  if (json.is_discarded()) return Status(StatusCode::invalid_file, path + ": not JSON");
  if (!twice.empty()) return Status(StatusCode::invalid_file, path + ": " + twice);
  return Result<Json>(std::move(json));
}

}  // namespace lemore::cli
