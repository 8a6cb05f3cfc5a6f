#include "run/manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "fnv.h"
#include "report.h"

namespace lemore::cli {

namespace {

constexpr std::size_t k_max_manifest_bytes = std::size_t{4} << 30;

/// The text of a key, or nothing.
std::optional<std::string> text_of(const nlohmann::json& line, const char* key) {
  const auto at = line.find(key);
  if (at == line.end() || !at->is_string()) return std::nullopt;
  return at->get<std::string>();
}

std::optional<std::int64_t> number_of(const nlohmann::json& line, const char* key) {
  const auto at = line.find(key);
  if (at == line.end() || !at->is_number_integer()) return std::nullopt;
  return at->get<std::int64_t>();
}

Manifest::Entry entry_of(const nlohmann::json& line) {
  Manifest::Entry entry;
  const auto model = text_of(line, "model"), options = text_of(line, "options");
  if (model && options) entry.made_with = MadeWith{*model, *options};
  const auto bytes = number_of(line, "bytes"), modified = number_of(line, "modified_ns");
  if (bytes && modified) entry.image = FileStamp{static_cast<std::uint64_t>(*bytes), *modified};
  return entry;
}

}  // namespace

Result<std::string> hash_file(const std::string& path) {
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return errno_status(path, "open", errno);
  std::vector<std::uint8_t> piece(std::size_t{1} << 18);
  Fnv1a hash;
  std::uint64_t size = 0;
  for (;;) {
    const ssize_t n = ::read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_status(path, "read", errno);
    if (n == 0) break;
    size += static_cast<std::uint64_t>(n);
    hash.add(piece.data(), static_cast<std::size_t>(n));
  }
  return hash.text() + "-" + std::to_string(size);
}

void Manifest::remember(const std::vector<std::uint8_t>& bytes) {
  for (auto at = bytes.begin(); at != bytes.end();) {
    const auto end = std::find(at, bytes.end(), '\n');
    const nlohmann::json line = nlohmann::json::parse(at, end, nullptr, false);
    at = end == bytes.end() ? end : end + 1;
    if (!line.is_object()) continue;
    const auto input = text_of(line, "input"), status = text_of(line, "status");
    if (!input || !status) continue;
    if (*status == "ok" || *status == "skipped") {
      const Entry entry = entry_of(line);
      is_complete_ = is_complete_ || entry.made_with.has_value();
      done_[*input] = entry;
    } else {
      done_.erase(*input);
    }
  }
}

const Manifest::Entry* Manifest::find(const std::string& input) const {
  const auto at = done_.find(input);
  return at == done_.end() ? nullptr : &at->second;
}

Result<Manifest> Manifest::open(const std::string& path, bool resume, const MadeWith& made_with) {
  Manifest manifest;
  manifest.path_ = path;
  manifest.made_with_ = made_with;
  bool is_torn = false;
  FileId id;
  if (resume && file_id(path, id)) {
    std::vector<std::uint8_t> bytes;
    if (const Status status = read_file(path, bytes, k_max_manifest_bytes); !status.ok()) return status;
    is_torn = !bytes.empty() && bytes.back() != '\n';
    manifest.remember(bytes);
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

Status Manifest::write(const std::string& line) {
  const int error = write_all(file_.get(), line.data(), line.size());
  return error == 0 ? Status() : errno_status(path_, "write", error);
}

}  // namespace lemore::cli
