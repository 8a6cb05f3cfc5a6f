#pragma once

#include <string>
#include <vector>

#include "lemore/model.h"
#include "lemore/segmenter.h"
#include "lemore/status.h"
#include "render/pictures.h"
#include "run/job.h"
#include "run/output_kinds.h"

namespace lemore::cli {

/// What is written of each image, and how. Shared by all writing threads; immutable.
struct WriterOptions {
  OutputKinds kinds;
  OverlayStyle overlay;
  const Lettering* legend = nullptr;  ///< null: no legend
  double min_confidence = 0;          ///< pixels below it are not painted; 0: all are
  int uncertain_label = -1;           ///< and get this value in the label map; -1: they keep their class
  // For the JSON:
  std::string model_file;
  std::uint64_t model_bytes = 0;
  Mode mode = Mode::whole;
  Isa isa = Isa::portable;
  int threads = 0;
};

/// Encodes the outputs of a finished job and writes them, each as a whole or not at all.
class Writer {
 public:
  Writer(const Model& model, const Palette& palette, const WriterOptions& options)
      : model_(model), palette_(palette), options_(options) {}

  /// Writes to names.path(stem, kind); sets job.times.encode. `input` is the name the JSON gives the image.
  Status write(Job& job, const std::string& input, const OutputNames& names, const std::string& stem) const;

 private:
  Status encode(Job& job, OutputKind kind, PictureFile file) const;
  LabelMap label_map(const Job& job) const;
  void encode_json(Job& job, const std::string& input) const;

  const Model& model_;
  const Palette& palette_;
  const WriterOptions& options_;
};

}  // namespace lemore::cli
