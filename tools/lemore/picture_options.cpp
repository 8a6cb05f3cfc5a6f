#include "picture_options.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "options.h"
#include "suggest.h"

namespace lemore::cli {

namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// Marks the classes that --only names. A class name may hold commas itself, so neighbouring pieces are tried together,
/// the longest first. Errors: invalid_argument listing the names there are.
Status choose_classes(const std::vector<std::string>& pieces, Palette& palette) {
  if (pieces.empty()) return Status();
  palette.is_painted.fill(false);
  for (std::size_t at = 0; at < pieces.size();) {
    std::size_t used = 0;
    for (std::size_t end = pieces.size(); end > at && used == 0; --end) {
      std::string name = pieces[at];
      for (std::size_t i = at + 1; i < end; ++i) name += "," + pieces[i];
      for (std::size_t c = 0; c < palette.names.size(); ++c) {
        if (!equal_ignoring_case(palette.names[c], name)) continue;
        palette.is_painted[c] = true;
        used = end - at;
      }
    }
    if (used == 0) {
      std::string known;
      for (const std::string& name : palette.names) known += (known.empty() ? "" : ", ") + name;
      const std::string near = did_you_mean(pieces[at], palette.names);
      return Status(StatusCode::invalid_argument, "--only: unknown class '" + pieces[at] + "'" +
                                                      (near.empty() ? ";" : near) + " the model has: " + known);
    }
    at += used;
  }
  return Status();
}

}  // namespace

void add_picture_options(CLI::App& command, PictureOptions& options) {
  command.add_option("--opacity", options.opacity, "Opacity of the overlay's colours; default: 0.5")
      ->check(between(0.0, 1.0))
      ->type_name("0..1");
  command.add_flag("--outlines", options.outlines, "Draw the borders of the regions in the overlay");
  command.add_flag("--legend", options.legend, "Names and shares of the classes, below the overlay");
  command.add_option("--font", options.font, "Font for the legend; default: one of this machine's")->type_name("FILE");
  choose_from(*command
                   .add_option("--palette", options.palette,
                               "Colours of the overlay: distinct (easy to tell apart, colour-blind or not) or dataset "
                               "(the model's own, as in color.png); default: distinct")
                   ->type_name("NAME"),
              "distinct dataset");
  command.add_option("--only", options.only, "Paint only these classes, by name")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->type_name("NAMES");
  command
      .add_option("--min-confidence", options.min_confidence,
                  "Leave pixels unpainted whose class is less probable than this; default: 0, paint all")
      ->check(between(0.0, 1.0))
      ->type_name("0..1");
  command.add_flag("--ignore-uncertain", options.ignore_uncertain,
                   "With --min-confidence: also give these pixels the ignore value in the label map");
}

Status check_picture_options(const PictureOptions& options) {
  if (options.ignore_uncertain && options.min_confidence <= 0)
    return Status(StatusCode::invalid_argument, "--ignore-uncertain needs --min-confidence");
  if (!options.font.empty() && !options.legend)
    return Status(StatusCode::invalid_argument, "--font goes with --legend");
  return Status();
}

Result<Palette> choose_palette(const PictureOptions& options, const Model& model) {
  Palette palette(model.classes());
  if (options.palette == "dataset") palette.overlay = palette.colors;
  if (const Status status = choose_classes(options.only, palette); !status.ok()) return status;
  return Result<Palette>(std::move(palette));
}

Result<int> choose_uncertain_label(const PictureOptions& options, const Model& model) {
  if (!options.ignore_uncertain) return -1;
  const int classes = static_cast<int>(model.classes().size());
  if (model.ignore_label() >= classes && model.ignore_label() < 256) return model.ignore_label();
  if (classes < 256) return 255;
  return Status(StatusCode::invalid_argument, "--ignore-uncertain: the model's 256 classes leave no value free");
}

const char* option_not_for_video(const PictureOptions& options) {
  return options.legend               ? "--legend"
         : options.outlines           ? "--outlines"
         : !options.font.empty()      ? "--font"
         : options.min_confidence > 0 ? "--min-confidence"
         : options.ignore_uncertain   ? "--ignore-uncertain"
                                      : nullptr;
}

}  // namespace lemore::cli
