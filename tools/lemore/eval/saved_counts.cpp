#include "eval/saved_counts.h"

#include <utility>

#include "file_io.h"

namespace lemore::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* k_format = "lemore-confusion";
constexpr int k_version = 1;
constexpr std::size_t k_max_classes = 256;
/// 256 x 256 counts of 16 digits with room to spare for indentation.
constexpr std::size_t k_max_bytes = std::size_t{16} << 20;

/// A count of at most 2^53, or nothing.
std::optional<std::uint64_t> count_of(const Json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > k_max_counted_pixels) return std::nullopt;
  return value.get<std::uint64_t>();
}

/// Fills `saved`; what is wrong with the JSON, or null.
const char* parse(const Json& json, SavedCounts& saved) {
  if (!json.is_object() || json.value("format", Json()) != k_format) return "not a file of --save-confusion";
  if (json.value("version", Json()) != k_version) return "a version of the format that is not known here, expected 1";
  const Json names = json.value("classes", Json()), rows = json.value("confusion", Json());
  if (!names.is_array() || names.empty() || names.size() > k_max_classes) return "\"classes\": expected 1 to 256 names";
  for (const Json& name : names) {
    if (!name.is_string()) return "\"classes\": expected names";
    saved.names.push_back(name.get<std::string>());
  }
  const auto images = count_of(json.value("images", Json()));
  if (!images) return "\"images\": expected a count";
  saved.images = *images;
  saved.source = json.value("source", Json());
  saved.counts = Confusion(names.size());
  if (!rows.is_array() || rows.size() != names.size()) return "\"confusion\": expected a row of counts for each class";
  std::uint64_t total = 0;
  for (std::size_t truth = 0; truth < rows.size(); ++truth) {
    if (!rows[truth].is_array() || rows[truth].size() != names.size())
      return "\"confusion\": expected a count for each class in a row";
    for (std::size_t predicted = 0; predicted < names.size(); ++predicted) {
      const auto count = count_of(rows[truth][predicted]);
      if (!count || (total += *count) > k_max_counted_pixels)
        return "\"confusion\": expected counts whose sum is at most 2^53";
      saved.counts.at(truth, predicted) = *count;
    }
  }
  return nullptr;
}

}  // namespace

Json to_json(const Confusion& counts) {
  Json rows = Json::array();
  for (std::size_t truth = 0; truth < counts.classes(); ++truth) {
    Json row = Json::array();
    for (std::size_t predicted = 0; predicted < counts.classes(); ++predicted)
      row.push_back(counts.at(truth, predicted));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string to_json_text(const SavedCounts& saved) {
  const Json json = {{"format", k_format},     {"version", k_version},   {"source", saved.source},
                     {"classes", saved.names}, {"images", saved.images}, {"confusion", to_json(saved.counts)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<SavedCounts> read_saved_counts(const std::string& path) {
  std::vector<std::uint8_t> bytes;
  if (const Status status = read_file(path, bytes, k_max_bytes); !status.ok()) return status;
  const Json json = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (json.is_discarded()) return Status(StatusCode::invalid_file, path + ": not JSON");
  SavedCounts saved;
  if (const char* wrong = parse(json, saved)) return Status(StatusCode::invalid_file, path + ": " + wrong);
  return saved;
}

Status add_counts(SavedCounts& sum, const SavedCounts& part, const std::string& path) {
  if (sum.names != part.names) {
    std::string text = path + ": its classes differ from those of the files before it: ";
    std::size_t c = 0;
    while (c < sum.names.size() && c < part.names.size() && sum.names[c] == part.names[c]) ++c;
    const auto name = [c](const std::vector<std::string>& names) {
      return c < names.size() ? "'" + names[c] + "'" : "missing";
    };
    return Status(StatusCode::invalid_file,
                  text + "class " + std::to_string(c) + " is " + name(part.names) + ", there " + name(sum.names));
  }
  if (sum.counts.pixels() + part.counts.pixels() > k_max_counted_pixels ||
      sum.images + part.images > k_max_counted_pixels) {
    return Status(StatusCode::invalid_file, path + ": with the files before it more than 2^53 pixels");
  }
  if (sum.source != part.source) sum.source = nullptr;
  sum.images += part.images;
  sum.counts.add(part.counts);
  return Status();
}

}  // namespace lemore::cli
