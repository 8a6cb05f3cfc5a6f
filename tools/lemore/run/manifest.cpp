#include "run/manifest.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "report.h"

namespace lemore::cli {

namespace {

constexpr std::size_t k_max_manifest_bytes = std::size_t{4} << 30;

}  // namespace

Result<Manifest> Manifest::open(const std::string& path, bool resume) {
  Manifest manifest;
  manifest.path_ = path;
  bool is_torn = false;
  FileId id;
  if (resume && file_id(path, id)) {
    std::vector<std::uint8_t> bytes;
    if (const Status status = read_file(path, bytes, k_max_manifest_bytes); !status.ok()) return status;
    is_torn = !bytes.empty() && bytes.back() != '\n';
    for (auto at = bytes.begin(); at != bytes.end();) {
      const auto end = std::find(at, bytes.end(), '\n');
      const nlohmann::json line = nlohmann::json::parse(at, end, nullptr, false);
      if (line.is_object() && line.contains("input") && line["input"].is_string() && line.contains("status") &&
          (line["status"] == "ok" || line["status"] == "skipped")) {
        manifest.known_.insert(line["input"].get<std::string>());
      }
      at = end == bytes.end() ? end : end + 1;
    }
  } else if (const std::string folder = std::filesystem::path(path).parent_path().string(); !folder.empty()) {
    if (const Status status = make_folders(folder); !status.ok()) return status;
  }
  manifest.file_ =
      FileHandle(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0666));
  if (!manifest.file_.is_open()) return errno_status(path, "open for writing", errno);
  if (is_torn) {
    if (const int error = write_all(manifest.file_.get(), "\n", 1); error != 0)
      return errno_status(path, "write", error);
  }
  return Result<Manifest>(std::move(manifest));
}

Status Manifest::write(std::string line) {
  line += '\n';
  const int error = write_all(file_.get(), line.data(), line.size());
  return error == 0 ? Status() : errno_status(path_, "write", error);
}

}  // namespace lemore::cli
