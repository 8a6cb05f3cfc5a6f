#include "eval/saved_counts.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "eval/strict_json.h"
#include "fnv.h"
#include "report.h"

namespace lemore::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* k_format = "lemore-confusion";
constexpr int k_version = 2;
constexpr std::size_t k_max_classes = 256;
/// 256 x 256 counts of 16 digits with room to spare for indentation.
constexpr std::size_t k_max_saved_bytes = std::size_t{16} << 20;

/// A count of at most 2^53, or nothing.
std::optional<std::uint64_t> count_of(const Json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > k_max_counted_pixels) return std::nullopt;
  return value.get<std::uint64_t>();
}

/// Fills `saved.part`; what is wrong with "run", or null.
const char* parse_part(const Json& run, SavedCounts& saved) {
  constexpr std::uint64_t k_max_shards = std::uint64_t{1} << 24;
  if (!run.is_object()) return "\"run\": expected an object";
  const Json shard = run.value("shard", Json());
  const auto index = shard.is_array() && shard.size() == 2 ? count_of(shard[0]) : std::nullopt;
  const auto count = index ? count_of(shard[1]) : std::nullopt;
  if (!count || *count > k_max_shards || *index >= *count) return "\"run.shard\": expected [I, N] with I below N";
  const auto pairs = count_of(run.value("pairs", Json())), failed = count_of(run.value("failed", Json()));
  if (!pairs || !failed) return "\"run\": expected the counts \"pairs\" and \"failed\"";
  const Json digest = run.value("pairs_digest", Json());
  if (!digest.is_string()) return "\"run.pairs_digest\": expected a text";
  const std::uint64_t share = *pairs / *count + (*index < *pairs % *count ? 1 : 0);
  if (saved.images + *failed != share) return "its images are not as many as its part of the run has";
  saved.part = {
      {static_cast<std::size_t>(*index), static_cast<std::size_t>(*count)}, *pairs, digest.get<std::string>(), *failed};
  return nullptr;
}

std::string to_text(const Shard& shard) { return std::to_string(shard.index) + "/" + std::to_string(shard.count); }

/// The first class in which two lists differ, or nothing.
std::string first_difference(const std::vector<std::string>& first, const std::vector<std::string>& other) {
  if (first == other) return "";
  std::size_t c = 0;
  while (c < first.size() && c < other.size() && first[c] == other[c]) ++c;
  const auto name = [c](const std::vector<std::string>& names) {
    return c < names.size() ? "'" + one_line(names[c]) + "'" : "missing";
  };
  return "class " + std::to_string(c) + " is " + name(other) + ", there " + name(first);
}

/// The first field in which two sources differ, or nothing.
std::string first_difference(const Json& first, const Json& other) {
  if (first == other) return "";
  const auto text = [](const Json& value) {
    constexpr std::size_t k_most = 60;
    const std::string all = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return all.substr(0, k_most) + (all.size() > k_most ? "..." : "");
  };
  if (first.is_object() && other.is_object()) {
    for (const auto& [key, value] : first.items()) {
      if (!other.contains(key)) return "\"source\" has no \"" + one_line(key) + "\"";
      if (other[key] != value) return "\"" + one_line(key) + "\" is " + text(other[key]) + ", there " + text(value);
    }
    for (const auto& [key, value] : other.items())
      if (!first.contains(key)) return "\"" + one_line(key) + "\" is " + text(value) + ", there missing";
  }
  return "\"source\" differs";
}

/// Fills `saved`; what is wrong with the JSON, or null.
const char* parse(const Json& json, SavedCounts& saved) {
  if (!json.is_object() || json.value("format", Json()) != k_format) return "not a file of --save-confusion";
  if (json.value("version", Json()) == 1) return "saved by an older lemore, without its part of the run; save it again";
  if (json.value("version", Json()) != k_version) return "a version of the format that is not known here, expected 2";
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
  if (const char* wrong = parse_part(json.value("run", Json()), saved)) return wrong;
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
  const RunPart& part = saved.part;
  const Json json = {{"format", k_format},
                     {"version", k_version},
                     {"source", saved.source},
                     {"run",
                      {{"shard", {part.shard.index, part.shard.count}},
                       {"pairs", part.pairs},
                       {"pairs_digest", part.pairs_digest},
                       {"failed", part.failed}}},
                     {"classes", saved.names},
                     {"images", saved.images},
                     {"confusion", to_json(saved.counts)}};
  return json_text(json, 1);
}

Result<SavedCounts> read_saved_counts(const std::string& path) {
  const Result<Json> json = read_strict_json(path, k_max_saved_bytes);
  if (!json.ok()) return json.status();
  SavedCounts saved;
  if (const char* wrong = parse(*json, saved)) return Status(StatusCode::invalid_file, path + ": " + wrong);
  return saved;
}

std::string digest_of(const std::vector<Pair>& pairs) {
  Fnv1a hash;
  for (const Pair& pair : pairs) {
    hash.add(pair.name.data(), pair.name.size());
    hash.add("\n", 1);
  }
  return hash.text();
}

Result<SavedCounts> merge_counts(const std::vector<SavedCounts>& parts, const std::vector<std::string>& paths) {
  SavedCounts sum = parts.front();
  const Shard whole = sum.part.shard;
  std::vector<std::size_t> place_of(whole.count, parts.size());  // in `parts`, of each shard
  sum.counts.clear();
  sum.images = sum.part.failed = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const SavedCounts& part = parts[i];
    const auto wrong = [&](const std::string& what) {
      return Status(StatusCode::invalid_file, paths[i] + ": " + what);
    };
    if (const std::string other = first_difference(sum.names, part.names); !other.empty())
      return wrong("its classes differ from those of " + paths[0] + ": " + other);
    if (const std::string other = first_difference(sum.source, part.source); !other.empty())
      return wrong("was counted in another way than " + paths[0] + ": " + other);
    const Shard& shard = part.part.shard;
    if (shard.count != whole.count)
      return wrong("is part " + to_text(shard) + ", but " + paths[0] + " is part " + to_text(whole));
    if (part.part.pairs != sum.part.pairs || part.part.pairs_digest != sum.part.pairs_digest) {
      return wrong("is a part of an evaluation of other images (" + std::to_string(part.part.pairs) + ") than " +
                   paths[0] + " (" + std::to_string(sum.part.pairs) + ")");
    }
    if (place_of[shard.index] < parts.size())
      return wrong("is part " + to_text(shard) + ", as " + paths[place_of[shard.index]] + " is");
    place_of[shard.index] = i;
    if (sum.counts.pixels() + part.counts.pixels() > k_max_counted_pixels)
      return wrong("with the files before it more than 2^53 pixels");
    sum.images += part.images;
    sum.part.failed += part.part.failed;
    sum.counts.add(part.counts);
  }
  std::string missing;
  std::size_t count = 0;
  for (std::size_t index = 0; index < whole.count; ++index) {
    if (place_of[index] < parts.size()) continue;
    constexpr std::size_t k_most = 10;
    if (++count <= k_most) missing += (count > 1 ? ", " : "") + to_text(Shard{index, whole.count});
  }
  if (count > 0) {
    return Status(StatusCode::invalid_file, std::to_string(count) + " of " + std::to_string(whole.count) +
                                                " parts are missing: " + missing + (count > 10 ? ", ..." : ""));
  }
  sum.part.shard = Shard();
  return Result<SavedCounts>(std::move(sum));
}

}  // namespace lemore::cli
