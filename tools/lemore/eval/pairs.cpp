#include "eval/pairs.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

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

Result<std::vector<Input>> files_of(const std::string& folder, bool recursive) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return Status(StatusCode::not_found, folder + ": no such folder");
  // A folder called @x or - is still a folder here.
  Result<InputList> list =
      expand_inputs({(fs::path(folder).is_absolute() ? "" : "./") + folder}, InputOptions{recursive, ""});
  if (!list.ok()) return Status(list.status().code(), list.status().message());
  for (Input& input : list->inputs) input.path = (fs::path(folder) / input.relative).string();
  return std::move(list->inputs);
}

/// All files of one name, on either side.
struct Partners {
  std::vector<std::string> images, labels;
};

std::string two_of_a_name(const std::vector<std::string>& paths) { return paths[0] + " and " + paths[1]; }

}  // namespace

Result<PairList> find_pairs(const std::string& images, const std::string& labels, bool recursive) {
  const Result<std::vector<Input>> image_files = files_of(images, recursive);
  if (!image_files.ok()) return image_files.status();
  const Result<std::vector<Input>> label_files = files_of(labels, recursive);
  if (!label_files.ok()) return label_files.status();

  std::map<std::string, Partners> by_name;
  const auto name_of = [](const Input& input) { return fs::path(input.relative).replace_extension().string(); };
  for (const Input& input : *image_files) by_name[name_of(input)].images.push_back(input.path);
  for (const Input& input : *label_files) {
    if (is_png_name(input.relative)) by_name[name_of(input)].labels.push_back(input.path);
  }

  PairList list;
  const auto stray = [&](const std::string& text) { list.strays.emplace_back(StatusCode::not_found, text); };
  for (const auto& [name, partners] : by_name) {
    if (partners.images.empty()) {
      stray(partners.labels[0] + ": no image " + name + ".* in " + images);
    } else if (partners.labels.empty()) {
      stray(partners.images[0] + ": no label " + (fs::path(labels) / (name + ".png")).string());
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
