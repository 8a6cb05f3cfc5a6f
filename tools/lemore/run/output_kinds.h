#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lemore/status.h"

namespace lemore::cli {

/// What `lemore run` can write of an image.
enum class OutputKind : std::uint8_t { labels, overlay, color, confidence, json, npy };
constexpr int k_output_kinds = 6;

struct OutputKindInfo {
  OutputKind kind;
  std::string_view name;    ///< as --emit has it
  std::string_view suffix;  ///< of the file
};
constexpr std::array<OutputKindInfo, k_output_kinds> k_output_kind_infos = {{
    {OutputKind::labels, "labels", ".labels.png"},
    {OutputKind::overlay, "overlay", ".overlay.png"},
    {OutputKind::color, "color", ".color.png"},
    {OutputKind::confidence, "confidence", ".confidence.png"},
    {OutputKind::json, "json", ".json"},
    {OutputKind::npy, "npy", ".logits.npy"},
}};
constexpr const OutputKindInfo& info_of(OutputKind kind) { return k_output_kind_infos[static_cast<std::size_t>(kind)]; }

/// A set of kinds.
class OutputKinds {
 public:
  void add(OutputKind kind) noexcept { bits_ |= 1u << static_cast<unsigned>(kind); }
  bool has(OutputKind kind) const noexcept { return (bits_ >> static_cast<unsigned>(kind) & 1u) != 0; }
  int count() const noexcept;
  /// The kinds in the order of the enumeration.
  std::vector<OutputKind> list() const;

 private:
  unsigned bits_ = 0;
};

/// "labels,overlay" as a set. Errors: invalid_argument naming the known kinds.
Result<OutputKinds> parse_output_kinds(const std::vector<std::string>& names);

/// Where the outputs of each input go.
///
/// OUT as a folder: OUT/NAME<suffix>, where NAME is Input::name. OUT as a file: with one kind exactly that file; with
/// several, OUT without a picture's ending takes the suffixes. Overlay and colour are JPEGs where OUT, as a file, ends
/// in .jpg or the like, and have that ending instead of .png.
class OutputNames {
 public:
  static OutputNames in_folder(std::string folder);
  /// Errors    invalid_argument where the ending of `file` names a format that the outputs are not written in.
  static Result<OutputNames> as_file(const std::string& file, const OutputKinds& kinds);
  static OutputNames to_stdout();

  bool is_stdout() const noexcept { return where_ == Where::standard_output; }
  bool is_folder() const noexcept { return where_ == Where::folder; }
  /// The folder, or the one that the file lies in ("." where the name has none).
  const std::string& folder() const noexcept { return folder_; }
  /// What the outputs of the input `name` begin with; two inputs of the same stem would overwrite each other.
  std::string stem(const std::string& name) const;
  /// The file of one kind.
  std::string path(const std::string& stem, OutputKind kind) const;
  /// Whether this kind is written as JPEG instead of PNG.
  bool is_jpeg(OutputKind kind) const noexcept;

 private:
  enum class Where { folder, file, standard_output };
  Where where_ = Where::folder;
  std::string folder_, file_;
  std::string jpeg_ending_;  ///< ".jpg" as OUT has it, or empty
  bool exact_ = false;
};

/// True for a name that ends as our own pictures do ("x.labels.png").
bool is_own_output_name(std::string_view name);

}  // namespace lemore::cli
