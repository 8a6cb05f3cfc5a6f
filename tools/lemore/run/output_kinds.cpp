#include "run/output_kinds.h"

#include <algorithm>
#include <filesystem>

namespace lemore::cli {

namespace fs = std::filesystem;

int OutputKinds::count() const noexcept { return static_cast<int>(list().size()); }

std::vector<OutputKind> OutputKinds::list() const {
  std::vector<OutputKind> kinds;
  for (const OutputKindInfo& info : k_output_kind_infos) {
    if (has(info.kind)) kinds.push_back(info.kind);
  }
  return kinds;
}

Result<OutputKinds> parse_output_kinds(const std::vector<std::string>& names) {
  OutputKinds kinds;
  for (const std::string& name : names) {
    const auto* info = std::find_if(k_output_kind_infos.begin(), k_output_kind_infos.end(),
                                    [&](const OutputKindInfo& i) { return i.name == name; });
    if (info == k_output_kind_infos.end()) {
      std::string known;
      for (const OutputKindInfo& i : k_output_kind_infos) known += (known.empty() ? "" : ", ") + std::string(i.name);
      return Status(StatusCode::invalid_argument, "--emit: unknown output '" + name + "'; known are " + known);
    }
    kinds.add(info->kind);
  }
  if (kinds.count() == 0) return Status(StatusCode::invalid_argument, "--emit: names no output");
  return kinds;
}

OutputNames OutputNames::in_folder(std::string folder) {
  OutputNames names;
  names.where_ = Where::folder;
  names.folder_ = std::move(folder);
  return names;
}

OutputNames OutputNames::as_file(std::string file, const OutputKinds& kinds) {
  OutputNames names;
  names.where_ = Where::file;
  names.exact_ = kinds.count() == 1;
  const fs::path path(file);
  names.folder_ = path.has_parent_path() ? path.parent_path().string() : ".";
  names.file_ = names.exact_ ? file : (path.parent_path() / path.stem()).string();
  return names;
}

OutputNames OutputNames::to_stdout() {
  OutputNames names;
  names.where_ = Where::standard_output;
  return names;
}

std::string OutputNames::stem(const std::string& relative) const {
  if (where_ != Where::folder) return file_;
  const fs::path path(relative);
  return (fs::path(folder_) / path.parent_path() / path.stem()).string();
}

std::string OutputNames::path(const std::string& stem, OutputKind kind) const {
  if (where_ == Where::standard_output) return "-";
  return exact_ ? stem : stem + std::string(info_of(kind).suffix);
}

bool is_own_output_name(std::string_view name) {
  return std::any_of(k_output_kind_infos.begin(), k_output_kind_infos.end(), [&](const OutputKindInfo& info) {
    return info.kind != OutputKind::json && name.size() > info.suffix.size() &&
           name.substr(name.size() - info.suffix.size()) == info.suffix;
  });
}

}  // namespace lemore::cli
