#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "eval/label_values.h"
#include "image_io/codec_png.h"
#include "image_io/image.h"
#include "lemore/model.h"
#include "lemore/status.h"

namespace lemore::cli {

/// What --label-map FILE says the values or colours of annotations mean, where they are not class + offset:
///
///   {"values": {"0": "background", "255": "object", "7": "ignore"}, "default": "ignore"}
///   {"colors": {"#804080": "road", "0,0,0": 3}, "default": "error"}
///
/// A class is given by its name, its index or "ignore". What is not listed is ignored with "default": "ignore", else an
/// error. The model's annotation offset and ignore label play no part. The Python tools read the same files in the same
/// way (tools/lemore_torch/label_map.py); docs/images.md describes them.
///
/// Pictures are translated to codes of 8 bits, which values() takes as annotation values.
class LabelMeanings {
 public:
  /// Errors    io_error, invalid_file: the message names the file, the field, what was expected and what came.
  static Result<LabelMeanings> read(const std::string& path, const std::vector<ClassInfo>& classes);

  /// Whether it lists colours, for translate(Image), or values, for translate(LabelSamples).
  bool is_by_color() const noexcept { return is_by_color_; }
  const LabelValues& values() const noexcept { return values_; }
  /// The file as JSON with classes as indices, in order: two files of the same meaning give the same.
  nlohmann::ordered_json to_json() const;

  /// Writes a gray image of codes. Errors: invalid_file for the first pixel that is not listed (the message names it,
  /// not the file), out_of_memory.
  Status translate(const LabelSamples& samples, Image& codes) const;
  Status translate(const Image& colors, Image& codes) const;

 private:
  static constexpr int k_no_code = -1;

  Status parse(const nlohmann::ordered_json& json, const std::vector<ClassInfo>& classes);
  int code_for(int meaning);
  int code_of(std::uint32_t key) const noexcept {
    const auto at = codes_.find(key);
    return at != codes_.end() ? at->second : default_code_;
  }

  bool is_by_color_ = false;
  std::unordered_map<std::uint32_t, int> codes_;  ///< of a value, or a colour as 0xRRGGBB
  std::vector<int> meanings_;                     ///< of each code: a class or LabelValues::k_ignored
  int default_code_ = k_no_code;
  LabelValues values_{std::vector<int>()};
};

}  // namespace lemore::cli
