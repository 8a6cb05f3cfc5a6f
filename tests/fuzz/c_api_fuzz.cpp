// The C API with random calls in random order: each byte of the input chooses a call, those behind it its parameters.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz.h"
#include "lemore/lemore.h"

namespace {

struct Input {
  const std::uint8_t* data;
  std::size_t size;
  int byte() { return size > 0 ? (--size, *data++) : 0; }
  /// Sizes near the smallest that are taken, and now and then one that is not.
  int extent() {
    const int b = byte();
    return b < 8 ? (b - 4) * 10000 : 20 + b / 4;
  }
};

constexpr std::size_t k_pixels = 128 * 128 * 4;

struct Image {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(k_pixels, 90);
  lemore_image view{};
  explicit Image(Input& in) {
    view.data = in.byte() % 16 != 0 ? bytes.data() : nullptr;
    view.height = in.extent();
    view.width = in.extent();
    view.format = in.byte() % 8 - 1;
    view.row_bytes = static_cast<std::size_t>(in.byte()) * 2;
    // Rows that leave the memory are the caller's fault, which the library can't see.
    if (view.height > 0 && view.row_bytes * static_cast<std::size_t>(view.height) > k_pixels) view.height = 1;
  }
};

struct Labels {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(128 * 128);
  std::vector<float> values = std::vector<float>(128 * 128);
  lemore_labels map{};
  lemore_confidence confidence{};
  bool has_confidence;
  Labels(Input& in, int height, int width) {
    map = {in.byte() % 16 != 0 ? bytes.data() : nullptr, height, width, static_cast<std::size_t>(in.byte() % 130)};
    if (in.byte() % 2 == 0) map.row_bytes = 128;
    if (height > 128) map.height = 128;
    confidence = {values.data(), map.height, map.width, map.row_bytes};
    if (in.byte() % 8 == 0) confidence.width = in.extent();
    has_confidence = in.byte() % 2 == 0;
  }
  const lemore_confidence* confidence_or_null() const { return has_confidence ? &confidence : nullptr; }
};

int stop_sometimes(void* context, std::size_t done, std::size_t total) {
  require(done >= 1 && done <= total);
  return --*static_cast<int*>(context) > 0;
}

void touch(const lemore_tensor& t) {
  std::size_t n = 1;
  for (int i = 0; i < t.rank; ++i) n *= t.shape[i];
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += t.data[i];
  volatile float keep = sum;
  (void)keep;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<char> file = [] {
    std::ifstream in(LEMORE_GOLDEN "/plain.model.safetensors", std::ios::binary);
    return std::vector<char>{std::istreambuf_iterator<char>(in), {}};
  }();
  Input in{data, size};
  lemore_model* model = nullptr;
  lemore_session* session = nullptr;
  lemore_segmenter* segmenter = nullptr;
  lemore_error error;
  int patience = 1;
  for (int calls = 0; in.size > 0 && calls < 24; ++calls) {
    std::memset(&error, 0xAB, sizeof error);
    lemore_code code = LEMORE_OK;
    bool is_reported = true;
    switch (in.byte() % 14) {
      case 0: {
        lemore_model_free(model);
        lemore_model_options options{sizeof options, in.byte() % 2, nullptr};
        if (in.byte() % 8 == 0) options.struct_size = static_cast<std::size_t>(in.byte());
        const std::size_t length = in.byte() % 4 == 0 ? static_cast<std::size_t>(in.byte()) * 400 : file.size();
        code = lemore_model_from_memory(file.data(), std::min(length, file.size()),
                                        options.struct_size <= sizeof options ? &options : nullptr, &model, &error);
        break;
      }
      case 1: {
        lemore_session_free(session);
        lemore_session_options options{};
        options.struct_size = in.byte() % 16 == 0 ? 3 : sizeof options;
        if (in.byte() % 4 != 0) options.height = in.extent(), options.width = in.extent();
        options.threads = in.byte() % 4 - (in.byte() % 16 == 0 ? 4 : 0);
        options.keep_stages = in.byte() % 2;
        options.no_fusion = in.byte() % 2;
        options.isa = in.byte() % 8 == 0 ? "nonsense" : in.byte() % 2 == 0 ? "portable" : nullptr;
        options.arena = in.byte() % 16 == 0 ? &options : nullptr;
        code = lemore_session_create(model, &options, &session, &error);
        break;
      }
      case 2: {
        lemore_segmenter_free(segmenter);
        lemore_segmenter_options options{};
        options.struct_size = sizeof options;
        options.mode = in.byte() % 5 - 1;
        options.threads = 1;
        if (in.byte() % 2 == 0) options.stride_height = in.byte() % 40 - 2, options.stride_width = in.byte() % 40 + 8;
        if (options.stride_height > 0 && options.stride_height < 8) options.stride_height = 8;
        patience = in.byte() % 8;
        options.progress = in.byte() % 2 == 0 ? stop_sometimes : nullptr;
        options.progress_context = &patience;
        code = lemore_segmenter_create(model, &options, &segmenter, &error);
        break;
      }
      case 3: {
        const Image image(in);
        code = lemore_session_run_image(session, &image.view, &error);
        break;
      }
      case 4: {
        const Image image(in);
        code = lemore_session_run_window(session, &image.view, in.byte() - 4, in.byte() - 4, &error);
        break;
      }
      case 5: {
        const int height = in.extent(), width = in.extent();
        Labels labels(in, height, width);
        code = lemore_session_label_map(session, &labels.map, labels.confidence_or_null(), &error);
        break;
      }
      case 6: {
        const Image image(in);
        Labels labels(in, image.view.height, image.view.width);
        if (labels.map.height != image.view.height) labels.map.height = image.view.height;
        if (static_cast<std::size_t>(labels.map.height > 0 ? labels.map.height : 0) > 128) break;
        code = lemore_segmenter_segment(segmenter, &image.view, &labels.map, labels.confidence_or_null(), &error);
        break;
      }
      case 7: {
        lemore_tensor logits{};
        code = lemore_session_logits(session, &logits, &error);
        if (code == LEMORE_OK) touch(logits);
        break;
      }
      case 8: {
        lemore_tensor stage{};
        const char* name = lemore_session_stage_name(session, static_cast<std::size_t>(in.byte()) % 40);
        code = lemore_session_stage(session, name, &stage, &error);
        if (code == LEMORE_OK) touch(stage);
        break;
      }
      case 9: {
        const int height = in.extent();
        code = lemore_session_resize(session, height, in.extent(), &error);
        break;
      }
      case 10: {
        lemore_step step{};
        step.struct_size = sizeof step;
        code = lemore_session_get_step(session, static_cast<std::size_t>(in.byte()), &step, &error);
        if (code == LEMORE_OK) require(step.name != nullptr && step.rank <= LEMORE_MAX_RANK);
        break;
      }
      case 11: {
        lemore_model_info info{};
        info.struct_size = in.byte() % 4 == 0 ? static_cast<std::size_t>(in.byte()) : sizeof info;
        if (info.struct_size > sizeof info) info.struct_size = sizeof info;
        code = lemore_model_get_info(model, &info, &error);
        break;
      }
      case 12:
        code = lemore_session_set_profiling(session, in.byte() % 2, &error);
        break;
      default:  // the weights live on in sessions
        lemore_model_free(model);
        model = nullptr;
        is_reported = false;
    }
    if (is_reported && error.message[0] != static_cast<char>(0xAB)) {
      require(error.code == code);
      require((code == LEMORE_OK) == (error.message[0] == '\0'));
      require(std::memchr(error.message, '\0', sizeof error.message) != nullptr);
    }
  }
  lemore_segmenter_free(segmenter);
  lemore_session_free(session);
  lemore_model_free(model);
  return 0;
}
