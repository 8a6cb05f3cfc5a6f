#include "run/resume.h"

#include <algorithm>
#include <string>

#include "file_io.h"

namespace lemore::cli {

Found find_outputs(const Input& input, const OutputNames& names, const OutputKinds& kinds, const Manifest* manifest) {
  if (names.is_stdout()) return Found::nothing;
  const std::string stem = names.stem(input.name);
  std::int64_t oldest_ns = INT64_MAX;
  for (const OutputKind kind : kinds.list()) {
    FileStamp output;
    if (!file_stamp(names.path(stem, kind), output) || output.bytes == 0) return Found::nothing;
    oldest_ns = std::min(oldest_ns, output.modified_ns);
  }
  const Manifest::Entry* entry = manifest != nullptr ? manifest->find(input.path) : nullptr;
  if (entry == nullptr && manifest != nullptr && manifest->is_complete()) return Found::nothing;
  if (entry != nullptr && entry->made_with && !(*entry->made_with == manifest->made_with())) {
    return entry->made_with->model == manifest->made_with().model ? Found::of_other_options : Found::of_other_model;
  }
  FileStamp image;
  if (!file_stamp(input.path, image))
    return Found::done;  // standard input, or gone since: the outputs are all there is
  const bool is_same = entry != nullptr && entry->image ? *entry->image == image : image.modified_ns <= oldest_ns;
  return is_same ? Found::done : Found::of_other_image;
}

}  // namespace lemore::cli
