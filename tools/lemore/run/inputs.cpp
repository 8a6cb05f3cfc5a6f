#include "run/inputs.h"

#include <glob.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "file_io.h"
#include "report.h"
#include "run/output_kinds.h"

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

/// Largest list of inputs that is read.
constexpr std::size_t k_max_list_bytes = std::size_t{1} << 30;

/// Found files that are passed over are named one by one up to this many.
constexpr std::size_t k_most_notes = 5;

constexpr std::string_view k_image_endings[] = {
#include "run/image_endings.inc"
};

/// What a file is that should not be read just because it was found, since reading it may wait for ever; null for
/// others.
const char* special_kind(fs::file_type type) noexcept {
  switch (type) {
    case fs::file_type::fifo:
      return "a named pipe";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::block:
    case fs::file_type::character:
      return "a device";
    default:
      return nullptr;
  }
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [at, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return at == folder.end();
}

class Expander {
 public:
  explicit Expander(const InputOptions& options) : options_(options) {
    std::error_code error;
    if (!options.out_folder.empty()) out_folder_ = fs::weakly_canonical(options.out_folder, error);
  }

  Status argument(const std::string& text, bool from_list) {
    if (text == "-" && !from_list) return add_stdin();
    if (text.size() > 1 && text[0] == '@' && !from_list) return list(text.substr(1));
    std::error_code error;
    if (fs::exists(text, error) || text.find_first_of("*?[") == std::string::npos) return path(text, from_list);
    return pattern(text);
  }

  Result<InputList> finish() {
    list_.single = list_.inputs.size() == 1 && only_named_;
    return std::move(list_);
  }

 private:
  Status add_stdin() {
    if (std::any_of(list_.inputs.begin(), list_.inputs.end(), [](const Input& i) { return i.path == "-"; })) {
      return Status(StatusCode::invalid_argument, "standard input (-) is named twice");
    }
    list_.inputs.push_back({"-", "stdin", {}});
    return Status();
  }

  Status path(const std::string& text, bool many) {
    std::error_code error;
    if (fs::is_directory(text, error)) return folder(text);
    only_named_ = only_named_ && !many;
    list_.inputs.push_back({text, fs::path(text).filename().string(), {}});
    return Status();
  }

  /// True, and remembered, for a pipe and the like.
  bool passes_over(const std::string& found) {
    std::error_code error;
    const char* kind = special_kind(fs::status(found, error).type());
    if (kind != nullptr) list_.passed_over.push_back(found + ": " + kind);
    return kind != nullptr;
  }

  Status pattern(const std::string& text) {
    glob_t found{};
    const int result = ::glob(text.c_str(), 0, nullptr, &found);  // sorted
    std::vector<std::string> names(found.gl_pathv, found.gl_pathv + (result == 0 ? found.gl_pathc : 0));
    ::globfree(&found);
    if (result == GLOB_NOMATCH) return Status(StatusCode::not_found, text + ": no file matches");
    if (result != 0) return errno_status(text, "search", errno != 0 ? errno : EIO);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (passes_over(name)) continue;
      if (const Status status = path(name, true); !status.ok()) return status;
    }
    return Status();
  }

  Status list(const std::string& file) {
    std::vector<std::uint8_t> bytes;
    if (const Status status = read_file(file, bytes, k_max_list_bytes); !status.ok()) return status;
    only_named_ = false;
    constexpr std::string_view k_byte_order_mark = "\xEF\xBB\xBF";
    std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (rest.substr(0, k_byte_order_mark.size()) == k_byte_order_mark) rest.remove_prefix(k_byte_order_mark.size());
    const std::size_t before = list_.inputs.size();
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
      if (line.empty() || line.front() == '#') continue;
      if (line.find('\0') != std::string_view::npos) {
        return Status(StatusCode::invalid_file, file + ": not a list of files, it holds NUL bytes");
      }
      if (const Status status = argument(std::string(line), true); !status.ok()) {
        return Status(status.code(), file + ": " + status.message());
      }
    }
    if (list_.inputs.size() == before) return Status(StatusCode::not_found, file + ": the list names no file");
    return Status();
  }

  /// Images of a folder, by their path below it.
  Status folder(const std::string& root) {
    only_named_ = false;
    std::vector<std::string> found;
    if (const Status status = search(fs::path(root), fs::path(), found); !status.ok()) return status;
    if (found.empty()) return Status(StatusCode::not_found, root + ": the folder holds no image");
    std::sort(found.begin(), found.end());
    for (const std::string& relative : found) {
      list_.inputs.push_back({(fs::path(root) / relative).string(), relative, {}});
    }
    return Status();
  }

  Status search(const fs::path& root, const fs::path& below, std::vector<std::string>& found) {
    const fs::path here = root / below;
    std::error_code error, ignored;
    const bool may_hold_outputs = !out_folder_.empty() && is_inside(fs::weakly_canonical(here, ignored), out_folder_);
    fs::directory_iterator it(here, error);
    for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
      const fs::path name = it->path().filename();
      if (name.string().front() == '.') continue;
      if (it->is_directory(ignored)) {
        // Folders behind links are not followed: they may lead in circles.
        if (!options_.recursive || it->is_symlink(ignored)) continue;
        if (const Status status = search(root, below / name, found); !status.ok()) return status;
      } else if (has_image_ending(name.string()) && !(may_hold_outputs && is_own_output_name(name.string())) &&
                 !passes_over(it->path().string())) {
        found.push_back((below / name).string());
      }
    }
    return error ? errno_status(here.string(), "read the folder", error.value()) : Status();
  }

  const InputOptions& options_;
  fs::path out_folder_;
  InputList list_;
  bool only_named_ = true;
};

}  // namespace

void tell_passed_over(const std::vector<std::string>& passed_over) {
  for (std::size_t i = 0; i < std::min(passed_over.size(), k_most_notes); ++i)
    print_error("note: passed over " + passed_over[i]);
  if (passed_over.size() > k_most_notes)
    print_error("note: passed over " + std::to_string(passed_over.size() - k_most_notes) + " more of this kind");
}

bool has_image_ending(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(std::begin(k_image_endings), std::end(k_image_endings), ending) != std::end(k_image_endings);
}

std::string without_image_ending(const std::string& path) {
  return has_image_ending(path) ? fs::path(path).replace_extension().string() : path;
}

Result<InputList> expand_inputs(const std::vector<std::string>& arguments, const InputOptions& options) {
  Expander expander(options);
  for (const std::string& argument : arguments) {
    if (const Status status = expander.argument(argument, false); !status.ok()) return status;
  }
  return expander.finish();
}

}  // namespace lemore::cli
