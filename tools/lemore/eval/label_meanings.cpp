#include "eval/label_meanings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include "eval/strict_json.h"
#include "file_io.h"
#include "report.h"

namespace lemore::cli {

using Json = nlohmann::ordered_json;

namespace {

/// Room for every 16-bit value with a name of twenty letters.
constexpr std::size_t k_max_bytes = std::size_t{4} << 20;
constexpr std::size_t k_max_codes = 256;

std::string shown(std::string_view text) {
  constexpr std::size_t k_most = 60;
  return "'" + one_line(text.substr(0, k_most)) + (text.size() > k_most ? "..." : "") + "'";
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

/// A number of nothing but digits, at most `most`.
std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  std::uint32_t value = 0;
  const bool is_digits = !text.empty() && text.size() <= 9 &&
                         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!is_digits) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value <= most ? std::optional(value) : std::nullopt;
}

/// "#RRGGBB" or "R,G,B" as 0xRRGGBB.
std::optional<std::uint32_t> color(std::string_view text) {
  std::uint32_t value = 0;
  if (!text.empty() && text[0] == '#') {
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), value, 16);
    if (text.size() != 7 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }
  for (int channel = 0; channel < 3; ++channel) {
    const std::size_t comma = text.find(',');
    if ((comma == std::string_view::npos) != (channel == 2)) return std::nullopt;
    const auto part = number(trimmed(text.substr(0, comma)), 255);
    if (!part) return std::nullopt;
    value = value << 8 | *part;
    text.remove_prefix(std::min(comma, text.size() - 1) + 1);
  }
  return value;
}

Status unlisted(const std::string& what, std::size_t at, Size size) {
  const auto width = static_cast<std::size_t>(size.width);
  return Status(StatusCode::invalid_file, what + " at pixel x " + std::to_string(at % width) + ", y " +
                                              std::to_string(at / width) + " is not in the label map");
}

std::string color_text(std::uint32_t key) {
  char text[16];
  std::snprintf(text, sizeof text, "#%06x", static_cast<unsigned>(key));
  return text;
}

/// The class that a value of the JSON means, or what is wrong with it.
Result<int> meaning_of(const std::string& where, const Json& value, const std::vector<ClassInfo>& classes) {
  const auto wrong = [&](const std::string& what) { return Status(StatusCode::invalid_file, where + what); };
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (text == "ignore") return LabelValues::k_ignored;
    int found = -1;
    for (std::size_t c = 0; c < classes.size(); ++c) {
      if (classes[c].name != trimmed(text)) continue;
      if (found >= 0) return wrong(": several classes are called " + shown(text));
      found = static_cast<int>(c);
    }
    return found >= 0 ? Result<int>(found) : wrong(": no class is called " + shown(text));
  }
  if (value.is_number_unsigned() && value.get<std::uint64_t>() < classes.size()) return value.get<int>();
  return wrong(": expected a class's name, its index 0.." + std::to_string(classes.size() - 1) +
               " or \"ignore\", got " + shown(value.dump(-1, ' ', true, Json::error_handler_t::replace)));
}

}  // namespace

int LabelMeanings::code_for(int meaning) {
  const auto at = std::find(meanings_.begin(), meanings_.end(), meaning);
  if (at == meanings_.end()) {
    meanings_.push_back(meaning);
    return static_cast<int>(meanings_.size()) - 1;
  }
  return static_cast<int>(at - meanings_.begin());
}

Status LabelMeanings::parse(const Json& json, const std::vector<ClassInfo>& classes) {
  const auto wrong = [](const std::string& what) { return Status(StatusCode::invalid_file, what); };
  const bool has_values = json.is_object() && json.contains("values");
  const bool has_colors = json.is_object() && json.contains("colors");
  const char* kind = has_colors ? "colors" : "values";
  if (has_values == has_colors || !json[kind].is_object() || json[kind].empty())
    return wrong("expected {\"values\": {...}} or {\"colors\": {...}}");
  for (const auto& [key, value] : json.items()) {
    if (key != kind && key != "default") return wrong("unknown field " + shown(key));
  }
  is_by_color_ = has_colors;
  const Json fallback = json.value("default", Json("error"));
  if (fallback != "ignore" && fallback != "error") {
    return wrong("default: expected \"ignore\" or \"error\", got " +
                 shown(fallback.dump(-1, ' ', true, Json::error_handler_t::replace)));
  }
  for (const auto& [key, value] : json[kind].items()) {
    const std::optional<std::uint32_t> place = is_by_color_ ? color(key) : number(key, 65535);
    if (!place) {
      return wrong(std::string(kind) + ": expected " +
                   (is_by_color_ ? "\"#RRGGBB\" or \"R,G,B\"" : "a value 0 to 65535") + ", got " + shown(key));
    }
    const Result<int> meaning = meaning_of(std::string(kind) + "[" + shown(key) + "]", value, classes);
    if (!meaning.ok()) return meaning.status();
    const int code = code_for(*meaning);
    const auto [at, is_new] = codes_.emplace(*place, code);
    if (!is_new && at->second != code)
      return wrong(std::string(kind) + ": " + shown(key) + " stands there twice, with two meanings");
  }
  if (fallback == "ignore") default_code_ = code_for(LabelValues::k_ignored);
  if (meanings_.size() > k_max_codes) return wrong("more than 256 meanings");
  values_ = LabelValues(meanings_);
  return Status();
}

Result<LabelMeanings> LabelMeanings::read(const std::string& path, const std::vector<ClassInfo>& classes) {
  Result<Json> json = read_strict_json(path, k_max_bytes);
  if (!json.ok()) return json.status();
  LabelMeanings meanings;
  if (const Status status = meanings.parse(*json, classes); !status.ok())
    return Status(status.code(), path + ": " + status.message());
  return Result<LabelMeanings>(std::move(meanings));
}

Json LabelMeanings::to_json() const {
  Json listed = Json::object();
  const std::map<std::uint32_t, int> in_order(codes_.begin(), codes_.end());
  for (const auto& [key, code] : in_order) {
    const int meaning = meanings_[static_cast<std::size_t>(code)];
    listed[is_by_color_ ? color_text(key) : std::to_string(key)] =
        meaning == LabelValues::k_ignored ? Json("ignore") : Json(meaning);
  }
  return {{is_by_color_ ? "colors" : "values", listed}, {"default", default_code_ == k_no_code ? "error" : "ignore"}};
}

Status LabelMeanings::translate(const LabelSamples& samples, Image& codes) const {
  if (!codes.reset(samples.size, PixelFormat::gray))
    return Status(StatusCode::out_of_memory, "no memory for the labels");
  const std::size_t pixels = codes.row_bytes() * static_cast<std::size_t>(samples.size.height);
  std::uint32_t last = 0;
  int code = code_of(last);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint32_t key = samples.at(i);
    if (key != last) code = code_of(last = key);
    if (code == k_no_code) return unlisted("value " + std::to_string(key), i, samples.size);
    codes.pixels.data()[i] = static_cast<std::uint8_t>(code);
  }
  return Status();
}

Status LabelMeanings::translate(const Image& colors, Image& codes) const {
  if (!codes.reset(colors.size, PixelFormat::gray))
    return Status(StatusCode::out_of_memory, "no memory for the labels");
  const std::size_t pixels = codes.row_bytes() * static_cast<std::size_t>(colors.size.height);
  const bool is_gray = colors.format == PixelFormat::gray;
  std::uint32_t last = 0;
  int code = code_of(last);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* p = colors.pixels.data() + (is_gray ? i : 3 * i);
    const std::uint32_t key =
        is_gray ? std::uint32_t{p[0]} * 0x010101u : std::uint32_t{p[0]} << 16 | std::uint32_t{p[1]} << 8 | p[2];
    if (key != last) code = code_of(last = key);
    if (code == k_no_code) return unlisted("colour " + color_text(key), i, colors.size);
    codes.pixels.data()[i] = static_cast<std::uint8_t>(code);
  }
  return Status();
}

}  // namespace lemore::cli
