#include "eval/result_text.h"

#include <algorithm>
#include <cstdio>

#include "options.h"
#include "report.h"

namespace lemore::cli {

using Json = nlohmann::ordered_json;

namespace {

std::string figure(const std::optional<double>& value, const char* format, double scale = 1) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), format, *value * scale);
  return text;
}

Json figure(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

std::string result_table(const SavedCounts& result) {
  const Scores scores = scores_of(result.counts);
  std::size_t width = 5;
  std::vector<std::string> names;
  for (const std::string& name : result.names) {
    names.push_back(one_line(name));
    width = std::max(width, text_columns(names.back()));
  }
  const auto row = [width](const std::string& name, const std::string& iou, const std::string& accuracy,
                           const std::string& share) {
    char cells[128];
    std::snprintf(cells, sizeof(cells), "  %8s  %8s  %9s", iou.c_str(), accuracy.c_str(), share.c_str());
    std::string line = padded(name, width) + cells;
    return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = row("class", "IoU", "accuracy", "share");
  for (std::size_t c = 0; c < names.size(); ++c) {
    const ClassScore& s = scores.classes[c];
    text += row(names[c], figure(s.iou, "%.4f"), figure(s.accuracy, "%.4f"), figure(s.share, "%.2f %%", 100));
  }
  text += row("mean", figure(scores.miou, "%.4f"), figure(scores.mean_accuracy, "%.4f"), "");
  return text + "mIoU " + figure(scores.miou, "%.4f") + ", mean accuracy " + figure(scores.mean_accuracy, "%.4f") +
         ", pixel accuracy " + figure(scores.pixel_accuracy, "%.4f") + " (" + counted(result.images, "image") + ", " +
         counted(result.counts.pixels(), "labelled pixel") + ")\n";
}

std::string result_json(const SavedCounts& result) {
  const Scores scores = scores_of(result.counts);
  Json classes = Json::array();
  for (std::size_t c = 0; c < result.names.size(); ++c) {
    const ClassScore& s = scores.classes[c];
    classes.push_back({{"name", result.names[c]},
                       {"iou", figure(s.iou)},
                       {"accuracy", figure(s.accuracy)},
                       {"share", figure(s.share)}});
  }
  const Json json = {{"miou", figure(scores.miou)},
                     {"mean_accuracy", figure(scores.mean_accuracy)},
                     {"pixel_accuracy", figure(scores.pixel_accuracy)},
                     {"classes", classes},
                     {"confusion", to_json(result.counts)},
                     {"images", result.images},
                     {"failed", result.part.failed},
                     {"pixels", result.counts.pixels()},
                     {"source", result.source}};
  return json_text(json, 1);
}

}  // namespace lemore::cli
