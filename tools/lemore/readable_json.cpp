#include "readable_json.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "report.h"

namespace lemore::cli {

namespace {

using Json = nlohmann::ordered_json;

/// Deeper objects are printed as JSON: a file may nest them as deep as its reader allows.
constexpr int k_max_depth = 6;

std::string plain_name(const std::string& key) {
  std::string name = one_line(key);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

bool is_single(const Json& json) { return !json.is_structured(); }

std::string single_text(const Json& json) {
  if (json.is_string()) return one_line(json.get_ref<const std::string&>());
  if (json.is_boolean()) return json.get<bool>() ? "yes" : "no";
  if (json.is_null()) return "none";
  return json.dump();
}

/// On one line: "expansion 6, kernel 3", and what is nested in brackets.
std::string inline_text(const Json& json, int depth) {
  if (is_single(json)) return single_text(json);
  if (json.empty()) return "none";
  if (depth >= k_max_depth) return one_line(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string text;
  for (auto item = json.begin(); item != json.end(); ++item) {
    text += text.empty() ? "" : ", ";
    if (json.is_object()) text += plain_name(item.key()) + " ";
    const std::string value = inline_text(*item, depth + 1);
    const bool is_alone = is_single(*item) || item->empty() || (item->is_array() && item->size() == 1);
    text += is_alone ? value : "(" + value + ")";
  }
  return text;
}

/// Whether a list is one of objects that have the same members, none of them nested: a table.
bool is_table(const Json& list) {
  if (!list.is_array() || list.size() < 2 || !list.front().is_object() || list.front().empty()) return false;
  const Json& first = list.front();
  return std::all_of(list.begin(), list.end(), [&](const Json& row) {
    if (!row.is_object() || row.size() != first.size()) return false;
    for (auto item = row.begin(); item != row.end(); ++item)
      if (!is_single(*item) || !first.contains(item.key())) return false;
    return true;
  });
}

std::string table_text(const Json& list, std::size_t indent) {
  std::vector<std::vector<std::string>> rows(1);
  std::vector<bool> is_number;
  for (auto item = list.front().begin(); item != list.front().end(); ++item) {
    rows[0].push_back(plain_name(item.key()));
    is_number.push_back(item->is_number());
  }
  for (const Json& row : list) {
    rows.emplace_back();
    for (auto item = list.front().begin(); item != list.front().end(); ++item)
      rows.back().push_back(single_text(row.at(item.key())));
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], text_columns(row[c]));
  std::string text;
  for (const auto& row : rows) {
    std::string line(indent, ' ');
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - text_columns(row[c]), ' ');
      line += (c > 0 ? "  " : "") + (is_number[c] ? space + row[c] : row[c] + space);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string lines_of(const Json& json, std::size_t indent, int depth) {
  const std::string margin(indent, ' ');
  if (is_table(json)) return table_text(json, indent);
  if (!json.is_structured() || json.empty() || depth >= k_max_depth) return margin + inline_text(json, depth) + "\n";
  std::string text;
  if (json.is_array()) {
    if (std::all_of(json.begin(), json.end(), is_single)) return margin + inline_text(json, depth) + "\n";
    std::size_t number = 0;
    for (const Json& item : json)
      text += margin + std::to_string(++number) + ": " + inline_text(item, depth + 1) + "\n";
    return text;
  }
  std::size_t width = 14;
  for (auto item = json.begin(); item != json.end(); ++item)
    if (text_columns(item.key()) < 30) width = std::max(width, text_columns(plain_name(item.key())));
  for (auto item = json.begin(); item != json.end(); ++item) {
    const std::string name = plain_name(item.key());
    const bool is_long_list =
        item->is_array() && std::any_of(item->begin(), item->end(), [](const Json& j) { return j.is_structured(); });
    if (is_long_list) {
      text += margin + name + "\n" + lines_of(*item, indent + 2, depth + 1);
    } else {
      text += margin + padded(name, width) + "  " + inline_text(*item, depth + 1) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string readable_json(const Json& json, std::size_t indent) { return lines_of(json, indent, 0); }

}  // namespace lemore::cli
