#include "run/names.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

/// The path from the root, without "." and "..". Links are not followed: two links are two inputs.
fs::path absolute(const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  return (error ? fs::path(path) : whole).lexically_normal();
}

/// How far an input's name has been made longer to tell it from others.
struct Naming {
  enum class From { folder_given, common_folder, root };
  From from = From::folder_given;
  bool keeps_ending = false;
  std::string with_ending;

  std::string name() const { return keeps_ending ? with_ending : without_image_ending(with_ending); }
};

using Places = std::vector<std::size_t>;

/// The longest folder that all of them lie in.
fs::path common_folder(const std::vector<Input>& inputs, const Places& places) {
  fs::path common = absolute(inputs[places[0]].path).parent_path();
  for (const std::size_t place : places) {
    const fs::path other = absolute(inputs[place].path).parent_path();
    const auto [end, unused] = std::mismatch(common.begin(), common.end(), other.begin(), other.end());
    fs::path shared;
    for (auto at = common.begin(); at != end; ++at) shared /= *at;
    common = std::move(shared);
  }
  return common;
}

bool differ_by_ending(const std::vector<Naming>& namings, const Places& places) {
  std::unordered_set<std::string> seen;
  return std::all_of(places.begin(), places.end(),
                     [&](std::size_t place) { return seen.insert(namings[place].with_ending).second; });
}

/// Makes the names of inputs that clash longer. Every call lengthens at least one of them.
void lengthen(const std::vector<Input>& inputs, const Places& places, std::vector<Naming>& namings) {
  if (differ_by_ending(namings, places)) {
    for (const std::size_t place : places) namings[place].keeps_ending = true;
    return;
  }
  const fs::path common = common_folder(inputs, places);
  for (const std::size_t place : places) {
    Naming& naming = namings[place];
    const fs::path path = absolute(inputs[place].path);
    if (naming.from == Naming::From::folder_given) {
      naming.from = Naming::From::common_folder;
      naming.with_ending = path.lexically_relative(common).string();
    } else {
      naming.from = Naming::From::root;
      naming.with_ending = path.relative_path().string();
    }
  }
}

}  // namespace

std::vector<std::string> remove_repeats(std::vector<Input>& inputs) {
  std::vector<std::string> repeats;
  std::unordered_set<std::string> seen;
  std::vector<Input> kept;
  kept.reserve(inputs.size());
  for (Input& input : inputs) {
    if (input.path == "-" || seen.insert(absolute(input.path).string()).second) {
      kept.push_back(std::move(input));
    } else {
      repeats.push_back(input.path);
    }
  }
  inputs = std::move(kept);
  return repeats;
}

void name_outputs(std::vector<Input>& inputs) {
  std::vector<Naming> namings(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) namings[i].with_ending = inputs[i].relative;
  for (bool is_done = false; !is_done;) {
    is_done = true;
    std::unordered_map<std::string, Places> by_name;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      by_name[fs::path(namings[i].name()).lexically_normal().string()].push_back(i);
    for (const auto& [name, places] : by_name) {
      if (places.size() == 1) continue;
      lengthen(inputs, places, namings);
      is_done = false;
    }
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].name = namings[i].name();
}

}  // namespace lemore::cli
