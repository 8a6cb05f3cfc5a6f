// The C API with random calls in random order: each byte of the input chooses a call, those behind it its parameters.
// Memory is exactly as large as each call is told.
#include "lemore/lemore.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fuzz.h"
#include "tests/support/safetensors_writer.h"

namespace {

/// One stage of everything: what it takes to reach all of the API, and no more.
constexpr const char* k_config =
    R"({"input_size": [32, 32], "num_classes": 3, "stem_channels": 2, "stages": [{"channels": 2, "down": {"expansion": 1}}],)"
    R"( "nested": {"layers": 1, "branches": 1, "heads": 1, "key_dim": 2, "value_dim": 2}, "ffn_expansion": 1,)"
    R"( "fusion_channels": 2})";
constexpr const char* k_classifier_config =
    R"({"input_size": [32, 32], "stem_channels": 2, "stages": [{"channels": 2, "down": {"expansion": 1}}],)"
    R"( "nested": {"enabled": false, "layers": 0}, "ffn_expansion": 1, "classes_only": 3})";

/// A file on the boundary that lets its weights be used in place.
struct File {
  std::string bytes;
  std::vector<unsigned char> memory;
  const unsigned char* data;
  explicit File(const char* config) : bytes(lemore::test::weight_file(config).bytes()), memory(bytes.size() + 64) {
    data = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
    std::memcpy(memory.data() + (data - memory.data()), bytes.data(), bytes.size());
  }
};

/// Most bytes of an image or a label map.
constexpr std::size_t k_max_bytes = std::size_t{1} << 14;

/// An image that is worth running, or one that is refused before it is read.
struct Image {
  std::unique_ptr<std::uint8_t[]> bytes;
  lemore_image view{};
  explicit Image(Choices& in) {
    constexpr std::size_t k_bytes[] = {1, 2, 3, 3, 4, 4};
    view.height = in.extent(1, 48);
    view.width = in.extent(1, 48);
    view.format = in.is_rare(16) ? in.byte() - 128 : in.below(6);
    const bool is_known = view.format >= LEMORE_GRAY && view.format <= LEMORE_BGRA;
    const std::size_t pixel = is_known ? k_bytes[view.format] : 1;
    const std::size_t row = view.width > 0 ? static_cast<std::size_t>(view.width) * pixel : 0;
    view.row_bytes = row + static_cast<std::size_t>(in.below(4));
    if (in.is_rare(16)) view.row_bytes = static_cast<std::size_t>(in.byte());
    const bool is_whole = view.height > 0 && row > 0 && view.row_bytes >= row;
    if (is_whole && view.row_bytes > k_max_bytes / static_cast<std::size_t>(view.height)) {
      view.height = 1;
      view.width = std::min(view.width, static_cast<int>(k_max_bytes / pixel));
    }
    const std::size_t last = is_whole ? static_cast<std::size_t>(view.width) * pixel : 1;
    const std::size_t size = (is_whole ? static_cast<std::size_t>(view.height - 1) : 0) * view.row_bytes + last;
    bytes = std::make_unique<std::uint8_t[]>(size);
    for (std::size_t i = 0; i < size; i += 7) bytes[i] = static_cast<std::uint8_t>(i * 31);
    if (!in.is_rare(32)) view.data = bytes.get();
  }
};

/// A label map, and the probabilities that may go with it.
struct Labels {
  std::unique_ptr<std::uint8_t[]> bytes;
  std::unique_ptr<float[]> values;
  lemore_labels map{};
  lemore_confidence confidence{};
  bool has_confidence;
  Labels(Choices& in, int height, int width) {
    map.height = in.is_rare(16) ? in.extent(1, 48) : height;
    map.width = in.is_rare(16) ? in.extent(1, 48) : width;
    map.row_bytes = map.width > 0 ? static_cast<std::size_t>(map.width) : 0;
    confidence = {nullptr, map.height, map.width, map.row_bytes + static_cast<std::size_t>(in.below(3))};
    map.row_bytes += static_cast<std::size_t>(in.below(3));
    const bool is_whole = map.height > 0 && map.width > 0;
    if (is_whole && map.row_bytes > k_max_bytes / static_cast<std::size_t>(map.height)) {
      confidence.height = map.height = 1;
      confidence.width = map.width = std::min(map.width, static_cast<int>(k_max_bytes));
    }
    if (in.is_rare(16)) map.row_bytes = static_cast<std::size_t>(in.byte());
    has_confidence = in.below(2) == 1;
    const std::size_t rows = is_whole ? static_cast<std::size_t>(map.height - 1) : 0;
    const std::size_t last = is_whole ? static_cast<std::size_t>(map.width) : 1;
    bytes = std::make_unique<std::uint8_t[]>(rows * map.row_bytes + last);
    values = std::make_unique<float[]>(rows * confidence.row_stride + last);
    map.data = in.is_rare(32) ? nullptr : bytes.get();
    confidence.data = in.is_rare(32) ? nullptr : values.get();
    if (in.is_rare(16)) confidence.width = in.extent(1, 48);
  }
  const lemore_confidence* confidence_or_null() const { return has_confidence ? &confidence : nullptr; }
};

/// Gives memory until its patience ends; everything must come back.
struct Memory {
  int patience = 1;
  int given = 0;
  static void* allocate(void* context, std::size_t bytes, std::size_t alignment) {
    auto* self = static_cast<Memory*>(context);
    if (--self->patience < 0) return nullptr;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory != nullptr) ++self->given;
    return memory;
  }
  static void release(void* context, void* memory, std::size_t) {
    --static_cast<Memory*>(context)->given;
    std::free(memory);
  }
};

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};
using Arena = std::unique_ptr<char, Free>;
constexpr std::size_t k_max_arena = std::size_t{1} << 24;
Arena aligned(std::size_t bytes) { return Arena(static_cast<char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64))); }

/// A caller's threads: one, which takes the tasks from the last to the first.
void run_backwards(void*, int tasks, lemore_task body, void* context) {
  while (tasks > 0) body(context, --tasks);
}

int stop_sometimes(void* context, std::size_t done, std::size_t total) {
  require(done >= 1 && done <= total);
  return --*static_cast<int*>(context) > 0;
}

void overwrite(void*, const char* name, const std::size_t* shape, int rank, float* elements) {
  require(name != nullptr && rank >= 1 && rank <= LEMORE_MAX_RANK && shape[0] >= 1);
  elements[0] = -elements[0];
}

void touch(const lemore_tensor& t) {
  std::size_t n = 1;
  for (int i = 0; i < t.rank; ++i) n *= t.shape[i];
  require(n >= 1);
  volatile float keep = t.data[0] + t.data[n - 1];
  (void)keep;
}

void require_text(const char* text) { require(text != nullptr && std::memchr(text, '\0', 4096) != nullptr); }

/// The handles, and the calls that are made on them.
class Caller {
 public:
  explicit Caller(const std::uint8_t* data, std::size_t size) : in_(data, size) {}
  ~Caller() {
    lemore_segmenter_free(segmenter_);
    lemore_session_free(session_);
    free_model();
    lemore_pool_free(pool_);
    require(memory_.given == 0);
  }

  void run() {
    constexpr void (Caller::*k_calls[])() = {&Caller::get_model,
                                             &Caller::make_session,
                                             &Caller::make_segmenter,
                                             &Caller::run_image,
                                             &Caller::run_window,
                                             &Caller::label_map,
                                             &Caller::segment,
                                             &Caller::read_logits,
                                             &Caller::read_stage,
                                             &Caller::resize,
                                             &Caller::read_step,
                                             &Caller::read_model,
                                             &Caller::set_options,
                                             &Caller::read_session,
                                             &Caller::run_tensor,
                                             &Caller::make_pool,
                                             &Caller::make_session_in_memory,
                                             &Caller::free_something};
    constexpr int k_count = sizeof k_calls / sizeof k_calls[0];
    if (in_.below(8) != 7) get_model();
    for (int calls = 0; !in_.is_empty() && calls < 12; ++calls) (this->*k_calls[in_.below(k_count)])();
  }

 private:
  lemore_error* fresh() {
    std::memset(&error_, 0xAB, sizeof error_);
    return &error_;
  }
  /// What is promised of every call that can fail.
  bool is_ok(lemore_code code) const {
    require(error_.code == code && code >= LEMORE_OK && code <= LEMORE_CANCELLED);
    const void* end = std::memchr(error_.message, '\0', sizeof error_.message);
    require(end != nullptr && (code == LEMORE_OK) == (error_.message[0] == '\0'));
    require(std::strchr(error_.message, '\n') == nullptr);
    return code == LEMORE_OK;
  }
  /// A lent one now and then.
  lemore_session* session() {
    return segmenter_ != nullptr && in_.is_rare(4) ? lemore_segmenter_session(segmenter_) : session_;
  }
  const char* isa() { return in_.is_rare(32) ? "nonsense" : in_.below(2) == 1 ? "portable" : nullptr; }
  lemore_parallel_for threads() {
    if (in_.below(4) == 1) return {run_backwards, nullptr, in_.is_rare(8) ? in_.byte() - 128 : 1 + in_.below(4)};
    return pool_ != nullptr && in_.below(2) == 1 ? lemore_pool_parallel_for(pool_) : lemore_parallel_for{};
  }
  /// A pool of its own costs a thread, so it is mostly the caller alone.
  int thread_count() { return in_.is_rare(32) ? in_.byte() - 252 : in_.is_rare(16) ? 2 : 1; }
  lemore_allocator allocator() {
    if (!in_.is_rare(4)) return {};
    memory_.patience = in_.below(4);
    return {Memory::allocate, in_.is_rare(16) ? nullptr : Memory::release, &memory_};
  }

  void free_model() {
    if (owns_model_) lemore_model_free(model_);
    model_ = nullptr;
    owns_model_ = false;
  }

  /// Mostly one that was read before: reading takes as long as all other calls.
  void get_model() {
    static const File* const files[] = {new File(k_config), new File(k_classifier_config)};
    static lemore_model* const models[] = {loaded(*files[0]), loaded(*files[1])};
    free_model();
    const int which = in_.is_rare(4) ? 1 : 0;
    if (!in_.is_rare(64)) {
      model_ = models[which];
      return;
    }
    const File& file = *files[which];
    lemore_model_options options{sizeof options, in_.below(2), in_.below(2) == 1 ? "a\nname" : nullptr};
    if (in_.is_rare(16)) options.struct_size = static_cast<std::size_t>(in_.byte()) % (sizeof options + 1);
    const std::size_t cut = in_.is_rare(8) ? static_cast<std::size_t>(in_.byte()) * 64 % file.bytes.size() : 0;
    const bool is_made =
        is_ok(lemore_model_from_memory(file.data, file.bytes.size() - cut, &options, &model_, fresh()));
    require(is_made == (model_ != nullptr) && !(is_made && cut > 0));
    owns_model_ = is_made;
  }

  static lemore_model* loaded(const File& file) {
    lemore_model* model = nullptr;
    require(lemore_model_from_memory(file.data, file.bytes.size(), nullptr, &model, nullptr) == LEMORE_OK);
    return model;
  }

  lemore_session_options session_options() {
    lemore_session_options options{};
    options.struct_size =
        in_.is_rare(32) ? static_cast<std::size_t>(in_.byte()) % (sizeof options + 1) : sizeof options;
    if (in_.below(4) != 0) options.height = in_.extent(32, 24), options.width = in_.extent(32, 24);
    options.threads = thread_count();
    options.parallel_for = threads();
    options.keep_stages = in_.below(2);
    options.no_fusion = in_.below(2);
    options.isa = isa();
    return options;
  }

  void make_session() {
    lemore_session_options options = session_options();
    options.allocator = allocator();
    lemore_session_free(session_);
    const bool is_made = is_ok(lemore_session_create(model_, &options, &session_, fresh()));
    require(is_made == (session_ != nullptr));
  }

  /// In an arena of exactly the size that was asked for, or of one byte less.
  void make_session_in_memory() {
    lemore_session_options options = session_options();
    std::size_t bytes = 0;
    if (!is_ok(lemore_session_arena_bytes(model_, &options, &bytes, fresh()))) return;
    const bool is_short = in_.is_rare(8);
    lemore_session_free(session_);
    session_ = nullptr;
    arena_ = aligned(bytes);
    options.arena = arena_.get();
    options.arena_bytes = bytes - (is_short ? 1 : 0);
    const bool is_made = is_ok(lemore_session_create(model_, &options, &session_, fresh()));
    require(is_made == (session_ != nullptr) && !(is_made && is_short));
  }

  void make_segmenter() {
    lemore_segmenter_options options{};
    options.struct_size =
        in_.is_rare(32) ? static_cast<std::size_t>(in_.byte()) % (sizeof options + 1) : sizeof options;
    options.mode = in_.is_rare(16) ? in_.byte() - 128 : in_.below(3);
    if (in_.below(2) == 1) options.stride_height = in_.extent(16, 24), options.stride_width = in_.extent(16, 24);
    // Windows a pixel apart are slow, not wrong.
    if (options.stride_height == 1) options.stride_height = 8;
    if (options.stride_width == 1) options.stride_width = 8;
    options.threads = thread_count();
    options.parallel_for = threads();
    options.isa = isa();
    options.allocator = allocator();
    patience_ = in_.byte() % 8;
    options.progress = in_.below(2) == 1 ? stop_sometimes : nullptr;
    options.progress_context = &patience_;
    lemore_segmenter_free(segmenter_);
    segmenter_ = nullptr;
    if (in_.below(4) == 1) {  // for images of one size, in exactly its memory
      const int height = in_.extent(1, 48), width = in_.extent(1, 48);
      std::size_t bytes = 0;
      if (!is_ok(lemore_segmenter_arena_bytes(model_, &options, height, width, &bytes, fresh()))) return;
      if (bytes > k_max_arena) return;
      segmenter_arena_ = aligned(bytes);
      options.arena = segmenter_arena_.get();
      options.arena_bytes = bytes - (in_.is_rare(8) ? 1 : 0);
    }
    const bool is_made = is_ok(lemore_segmenter_create(model_, &options, &segmenter_, fresh()));
    require(is_made == (segmenter_ != nullptr));
  }

  void make_pool() {
    if (pool_ == nullptr) is_ok(lemore_pool_create(in_.is_rare(16) ? in_.byte() - 252 : 1, &pool_, fresh()));
  }

  void run_image() {
    lemore_session* const at = session();
    const Image image(in_);
    is_ok(lemore_session_run_image(at, &image.view, fresh()));
  }

  void run_window() {
    lemore_session* const at = session();
    const Image image(in_);
    const int top = in_.extent(0, 8), left = in_.extent(0, 8);
    is_ok(lemore_session_run_window(at, &image.view, top, left, fresh()));
  }

  void run_tensor() {
    lemore_session* const at = session();
    lemore_session_info info{};
    info.struct_size = sizeof info;
    if (!is_ok(lemore_session_get_info(at, &info, fresh()))) return;
    std::size_t elements =
        std::size_t{3} * static_cast<std::size_t>(info.height) * static_cast<std::size_t>(info.width);
    const std::vector<float> nchw(elements, 0.5f);
    const bool is_wrong = in_.is_rare(8);
    if (is_wrong) elements = static_cast<std::size_t>(in_.byte());
    require(is_ok(lemore_session_run_tensor(at, nchw.data(), elements, fresh())) == !is_wrong);
  }

  void label_map() {
    lemore_session* const at = session();
    const int height = in_.extent(1, 48), width = in_.extent(1, 48);
    if (in_.is_rare(4)) is_ok(lemore_session_reserve_labels(at, height % 4096, width % 4096, fresh()));
    const Labels labels(in_, height, width);
    is_ok(lemore_session_label_map(at, &labels.map, labels.confidence_or_null(), fresh()));
  }

  void segment() {
    const Image image(in_);
    const Labels labels(in_, image.view.height, image.view.width);
    is_ok(lemore_segmenter_segment(segmenter_, &image.view, &labels.map, labels.confidence_or_null(), fresh()));
    lemore_times times{};
    times.struct_size = sizeof times;
    is_ok(lemore_segmenter_get_times(segmenter_, &times, fresh()));
  }

  void read_logits() {
    lemore_tensor logits{};
    if (is_ok(lemore_session_logits(session(), &logits, fresh()))) touch(logits);
  }

  void read_stage() {
    lemore_session* const at = session();
    const char* name = lemore_session_stage_name(at, static_cast<std::size_t>(in_.byte()));
    lemore_tensor stage{};
    if (is_ok(lemore_session_stage(at, in_.is_rare(16) ? "no such stage" : name, &stage, fresh()))) touch(stage);
  }

  void resize() {
    lemore_session* const at = session();
    memory_.patience = in_.below(4);
    const int height = in_.extent(32, 24), width = in_.extent(32, 24);
    is_ok(lemore_session_resize(at, height, width, fresh()));
  }

  void read_step() {
    lemore_step step{};
    step.struct_size = sizeof step;
    if (is_ok(lemore_session_get_step(session(), static_cast<std::size_t>(in_.byte()), &step, fresh()))) {
      require_text(step.name), require_text(step.op);
      require(step.rank >= 1 && step.rank <= LEMORE_MAX_RANK);
    }
  }

  void read_model() {
    lemore_model_info info{};
    info.struct_size = in_.is_rare(8) ? static_cast<std::size_t>(in_.byte()) % (sizeof info + 1) : sizeof info;
    if (is_ok(lemore_model_get_info(model_, &info, fresh())) && info.struct_size == sizeof info) {
      require_text(info.architecture), require_text(info.config_json), require_text(info.metrics_json);
      lemore_class class_info{};
      const auto index = static_cast<std::size_t>(in_.below(8));
      const bool is_there = is_ok(lemore_model_get_class(model_, index, &class_info, fresh()));
      require(is_there == (index < info.class_count));
      if (is_there) require_text(class_info.name);
    }
    std::uint64_t macs = 0;
    const int height = in_.extent(32, 64), width = in_.extent(32, 64);
    if (is_ok(lemore_model_macs(model_, height, width, &macs, fresh()))) require(macs > 0);
  }

  void read_session() {
    lemore_session_info info{};
    info.struct_size = sizeof info;
    if (is_ok(lemore_session_get_info(session(), &info, fresh()))) {
      require_text(info.isa);
      require(info.height >= 1 && info.width >= 1 && info.threads >= 1 && info.step_count >= 1);
    }
  }

  void set_options() {
    lemore_session* const at = session();
    is_ok(lemore_session_set_profiling(at, in_.below(2), fresh()));
    is_ok(lemore_session_set_stage_observer(at, in_.below(2) == 1 ? overwrite : nullptr, nullptr, fresh()));
  }

  void free_something() {
    switch (in_.below(3)) {
      case 0:  // the weights live on in sessions
        free_model();
        break;
      case 1:
        lemore_session_free(session_);
        session_ = nullptr;
        break;
      default:
        lemore_segmenter_free(segmenter_);
        segmenter_ = nullptr;
    }
  }

  Choices in_;
  lemore_error error_{};
  Arena arena_, segmenter_arena_;  ///< outlive what is made in them
  Memory memory_;
  int patience_ = 1;
  lemore_pool* pool_ = nullptr;
  lemore_model* model_ = nullptr;
  bool owns_model_ = false;
  lemore_session* session_ = nullptr;
  lemore_segmenter* segmenter_ = nullptr;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Caller(data, size).run();
  return 0;
}
