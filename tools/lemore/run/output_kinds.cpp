#include "run/output_kinds.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "run/inputs.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

/// Formats that the ending of a name stands for.
constexpr std::string_view k_png = "PNG", k_jpeg = "JPEG", k_other_picture = "another picture format";

std::string lower_ending(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

bool is_jpeg_ending(const fs::path& path) {
  const std::string ending = lower_ending(path);
  return ending == ".jpg" || ending == ".jpeg" || ending == ".jpe" || ending == ".jfif";
}

/// Empty for an ending that stands for no format.
std::string_view format_of_ending(const fs::path& path) {
  const std::string ending = lower_ending(path);
  if (is_jpeg_ending(path)) return k_jpeg;
  if (ending == ".png") return k_png;
  if (ending == ".json") return "JSON";
  if (ending == ".npy") return "NPY";
  return has_image_ending(path.string()) ? k_other_picture : std::string_view();
}

}  // namespace

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

Result<OutputNames> OutputNames::as_file(const std::string& file, const OutputKinds& kinds) {
  const fs::path path(file);
  OutputNames names;
  names.where_ = Where::file;
  names.exact_ = kinds.count() == 1;
  names.folder_ = path.has_parent_path() ? path.parent_path().string() : ".";
  names.file_ = names.exact_ ? file : without_image_ending(file);
  if (is_jpeg_ending(path)) names.jpeg_ending_ = path.extension().string();

  const std::string_view named = format_of_ending(path);
  if (named == k_other_picture) {
    return Status(StatusCode::invalid_argument,
                  "-o " + file + ": pictures are written as PNG or JPEG; expected a name that ends in .png or .jpg");
  }
  if (!names.exact_ || named.empty()) return names;
  const OutputKindInfo& info = info_of(kinds.list().front());
  const std::string ending(info.suffix.substr(info.suffix.rfind('.')));
  const std::string_view format = names.is_jpeg(info.kind) ? k_jpeg : format_of_ending("x" + ending);
  if (format == named) return names;
  return Status(StatusCode::invalid_argument, "-o " + file + ": " + std::string(info.name) + " is written as " +
                                                  std::string(format) + "; expected a name that ends in " + ending);
}

OutputNames OutputNames::to_stdout() {
  OutputNames names;
  names.where_ = Where::standard_output;
  return names;
}

std::string OutputNames::stem(const std::string& name) const {
  return where_ == Where::folder ? (fs::path(folder_) / name).string() : file_;
}

bool OutputNames::is_jpeg(OutputKind kind) const noexcept {
  return !jpeg_ending_.empty() && (kind == OutputKind::overlay || kind == OutputKind::color);
}

std::string OutputNames::path(const std::string& stem, OutputKind kind) const {
  if (where_ == Where::standard_output) return "-";
  if (exact_) return stem;
  const std::string_view suffix = info_of(kind).suffix;
  return is_jpeg(kind) ? stem + std::string(suffix.substr(0, suffix.rfind('.'))) + jpeg_ending_
                       : stem + std::string(suffix);
}

bool is_own_output_name(std::string_view name) {
  // A JPEG counts like the PNG it stands for.
  const std::string as_png =
      is_jpeg_ending(name) ? fs::path(name).replace_extension(".png").string() : std::string(name);
  return std::any_of(k_output_kind_infos.begin(), k_output_kind_infos.end(), [&](const OutputKindInfo& info) {
    if (info.kind == OutputKind::json || as_png.size() <= info.suffix.size()) return false;
    const bool can_be_jpeg = info.kind == OutputKind::overlay || info.kind == OutputKind::color;
    return (can_be_jpeg || as_png == name) &&
           as_png.compare(as_png.size() - info.suffix.size(), info.suffix.size(), info.suffix) == 0;
  });
}

}  // namespace lemore::cli
