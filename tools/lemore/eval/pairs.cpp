#include "eval/pairs.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "report.h"
#include "run/inputs.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

bool is_png_name(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".png";
}

Result<std::vector<Input>> files_of(const std::string& folder, bool recursive, std::vector<std::string>& special) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return Status(StatusCode::not_found, folder + ": no such folder");
  // A folder called @x or - is still a folder here.
  Result<InputList> list =
      expand_inputs({(fs::path(folder).is_absolute() ? "" : "./") + folder}, InputOptions{recursive, ""});
  if (!list.ok()) return Status(list.status().code(), list.status().message());
  special.insert(special.end(), list->passed_over.begin(), list->passed_over.end());
  for (Input& input : list->inputs) input.path = (fs::path(folder) / input.relative).string();
  return std::move(list->inputs);
}

/// All files of one name, on either side.
struct Partners {
  std::vector<std::string> images, labels;
};

std::string two_of_a_name(const std::vector<std::string>& paths) { return paths[0] + " and " + paths[1]; }

/// One side of --pair, or what is wrong with it.
Result<PairPattern::Side> parse_side(std::string_view text) {
  const auto wrong = [&](const std::string& what) {
    return Status(StatusCode::invalid_argument, "--pair: '" + one_line(text) + "' " + what);
  };
  const std::size_t at = text.find("{}");
  if (at == std::string_view::npos || text.find("{}", at + 2) != std::string_view::npos)
    return wrong("does not have {} once");
  if (text.find('/') != std::string_view::npos) return wrong("has a folder; expected a file's name");
  PairPattern::Side side;
  side.before = text.substr(0, at);
  side.after = text.substr(at + 2);
  side.has_ending = side.after.find('.') != std::string::npos;
  return side;
}

/// What a file shares with its partner: its path below the folder, but of its name only what stands for {}.
std::optional<std::string> shared_part(const PairPattern::Side& side, const std::string& relative) {
  const fs::path path(relative);
  const std::string name = (side.has_ending ? path.filename() : path.stem()).string();
  const std::size_t around = side.before.size() + side.after.size();
  if (name.size() <= around || name.compare(0, side.before.size(), side.before) != 0 ||
      name.compare(name.size() - side.after.size(), side.after.size(), side.after) != 0) {
    return std::nullopt;
  }
  return (path.parent_path() / name.substr(side.before.size(), name.size() - around)).string();
}

/// The name of the label that an image lacks.
std::string label_name(const PairPattern::Side& side, const std::string& shared) {
  const fs::path path(shared);
  return (path.parent_path() / (side.before + path.filename().string() + side.after)).string() +
         (side.has_ending ? "" : ".png");
}

}  // namespace

Result<PairPattern> parse_pair_pattern(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || text.find('=', equals + 1) != std::string::npos) {
    return Status(StatusCode::invalid_argument,
                  "--pair: expected IMAGE=LABEL with {} in each, for instance "
                  "'{}_leftImg8bit.png={}_gtFine_labelTrainIds.png', got '" +
                      one_line(text) + "'");
  }
  const Result<PairPattern::Side> image = parse_side(std::string_view(text).substr(0, equals));
  if (!image.ok()) return image.status();
  const Result<PairPattern::Side> label = parse_side(std::string_view(text).substr(equals + 1));
  if (!label.ok()) return label.status();
  return PairPattern{*image, *label};
}

Result<PairList> find_pairs(const std::string& images, const std::string& labels, bool recursive,
                            const PairPattern* pattern) {
  PairList list;
  const Result<std::vector<Input>> image_files = files_of(images, recursive, list.special);
  if (!image_files.ok()) return image_files.status();
  const Result<std::vector<Input>> label_files = files_of(labels, recursive, list.special);
  if (!label_files.ok()) return label_files.status();

  const PairPattern same_name;
  const PairPattern& sides = pattern != nullptr ? *pattern : same_name;
  std::map<std::string, Partners> by_name;
  for (const Input& input : *image_files) {
    if (const auto name = shared_part(sides.image, input.relative)) {
      by_name[*name].images.push_back(input.path);
    } else if (!shared_part(sides.label, input.relative)) {  // labels may lie in the same folder
      ++list.passed_over;
    }
  }
  if (by_name.empty()) {
    return Status(StatusCode::not_found,
                  images + ": no image is called '" + sides.image.before + "{}" + sides.image.after + "' (--pair)");
  }
  for (const Input& input : *label_files) {
    if (!sides.label.has_ending && !is_png_name(input.relative)) continue;
    if (const auto name = shared_part(sides.label, input.relative)) by_name[*name].labels.push_back(input.path);
  }

  const auto stray = [&](const std::string& text) { list.strays.emplace_back(StatusCode::not_found, text); };
  for (const auto& [name, partners] : by_name) {
    if (partners.images.empty()) {
      const std::string wanted = pattern == nullptr ? name + ".*" : label_name(sides.image, name);
      stray(partners.labels[0] + ": no image " + wanted + " in " + images);
    } else if (partners.labels.empty()) {
      stray(partners.images[0] + ": no label " + (fs::path(labels) / label_name(sides.label, name)).string());
    } else if (partners.images.size() > 1) {
      stray(two_of_a_name(partners.images) + ": both would have the label " + partners.labels[0]);
    } else if (partners.labels.size() > 1) {
      stray(two_of_a_name(partners.labels) + ": both are labels of " + partners.images[0]);
    } else {
      list.pairs.push_back({partners.images[0], partners.labels[0], name});
    }
  }
  return list;
}

}  // namespace lemore::cli
