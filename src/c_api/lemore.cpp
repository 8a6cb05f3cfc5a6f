#include "lemore/lemore.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/guard.h"
#include "core/text.h"
#include "lemore/segmenter.h"
#include "lemore/thread_pool.h"
#include "session/session_data.h"

// The C API is the C++ API, handle by handle: nothing is computed here.

struct lemore_model {
  lemore::Model model;
};
struct lemore_pool {
  lemore::ThreadPool pool;
};
struct lemore_session {
  std::optional<lemore::Session> owned;  ///< none where a segmenter lends its own
  lemore::Session* session = nullptr;
  lemore_stage_observer observer = nullptr;
  void* observer_context = nullptr;
};
struct lemore_segmenter {
  std::optional<lemore::Segmenter> segmenter;
  lemore_session session;
  int (*progress)(void*, size_t, size_t) = nullptr;
  void* progress_context = nullptr;
};

namespace lemore {

namespace {

static_assert(LEMORE_OK == static_cast<int>(StatusCode::ok) &&
              LEMORE_INVALID_ARGUMENT == static_cast<int>(StatusCode::invalid_argument) &&
              LEMORE_INVALID_SHAPE == static_cast<int>(StatusCode::invalid_shape) &&
              LEMORE_INVALID_FILE == static_cast<int>(StatusCode::invalid_file) &&
              LEMORE_UNSUPPORTED == static_cast<int>(StatusCode::unsupported) &&
              LEMORE_NOT_FOUND == static_cast<int>(StatusCode::not_found) &&
              LEMORE_IO_ERROR == static_cast<int>(StatusCode::io_error) &&
              LEMORE_OUT_OF_MEMORY == static_cast<int>(StatusCode::out_of_memory) &&
              LEMORE_CANCELLED == static_cast<int>(StatusCode::cancelled));
static_assert(LEMORE_GRAY == static_cast<int>(PixelFormat::gray) &&
              LEMORE_BGRA == static_cast<int>(PixelFormat::bgra) && LEMORE_WHOLE == static_cast<int>(Mode::whole) &&
              LEMORE_NATIVE == static_cast<int>(Mode::native) && LEMORE_SLIDE == static_cast<int>(Mode::slide) &&
              LEMORE_MAX_RANK == Shape::k_max_rank);

static_assert(LEMORE_BILINEAR == static_cast<int>(ResizeRule::bilinear) &&
              LEMORE_OPENCV == static_cast<int>(ResizeRule::opencv) &&
              LEMORE_PILLOW == static_cast<int>(ResizeRule::pillow) &&
              LEMORE_SIZE_EXACT == static_cast<int>(SizeRule::exact) &&
              LEMORE_SIZE_FIT == static_cast<int>(SizeRule::fit) &&
              LEMORE_SIZE_NATIVE == static_cast<int>(SizeRule::native));

lemore_code report(const Status& status, lemore_error* error) noexcept {
  const auto code = static_cast<lemore_code>(status.code());
  if (error == nullptr) return code;
  error->code = code;
  std::string_view rest = status.message();
  std::size_t length = 0;
  while (!rest.empty()) {  // whole characters only
    const std::size_t n = std::max<std::size_t>(utf8_sequence(rest), 1);
    if (length + n >= sizeof error->message) break;
    std::memcpy(error->message + length, rest.data(), n);
    length += n;
    rest.remove_prefix(n);
  }
  error->message[length] = '\0';
  return code;
}

/// Runs `body`, whose result is a Status, and reports it.
template <typename Body>
lemore_code call(lemore_error* error, const Body& body) noexcept {
  return report(detail::guard(body), error);
}

Status is_null(const char* what) {
  return make_error(StatusCode::invalid_argument, {what, ": expected an object, got NULL"});
}

/// The size a struct had in the first version that had it. One that grows specialises this to what it was.
template <typename Struct>
constexpr std::size_t k_first_size = sizeof(Struct);
template <>
constexpr std::size_t k_first_size<lemore_segmenter_options> = offsetof(lemore_segmenter_options, arena);
template <>
constexpr std::size_t k_first_size<lemore_model_info> = offsetof(lemore_model_info, min_side);

/// Larger structs than this are taken for a struct_size that was never set.
constexpr std::size_t k_max_struct_size = 4096;

Status check_size(std::size_t given, std::size_t first) {
  if (given >= first && given <= k_max_struct_size) return {};
  return make_error(StatusCode::invalid_argument,
                    {"struct_size: expected sizeof of the struct, at least ", first, ", got ", given});
}

/// Copies `given` bytes of options to `known` bytes of this version's. What it doesn't know must be 0.
Status copy_options(const void* from, std::size_t given, void* to, std::size_t known, std::size_t first) {
  if (Status status = check_size(given, first); !status.ok()) return status;
  const auto* bytes = static_cast<const unsigned char*>(from);
  for (std::size_t i = known; i < given; ++i)
    if (bytes[i] != 0)
      return make_error(StatusCode::unsupported,
                        {"options: byte ", i, " is set, but this library knows ", known, " bytes of the struct"});
  std::memcpy(to, from, std::min(given, known));
  return {};
}

/// The caller's options as this version knows them.
template <typename Options>
Status read_options(const Options* given, Options& options) {
  options = {};
  if (given == nullptr) return {};
  return copy_options(given, given->struct_size, &options, sizeof(Options), k_first_size<Options>);
}

/// Fills the caller's struct as far as it reaches.
template <typename Info>
Status write_info(Info info, Info* out) {
  if (out == nullptr) return is_null("info");
  info.struct_size = out->struct_size;
  if (Status status = check_size(info.struct_size, k_first_size<Info>); !status.ok()) return status;
  std::memcpy(out, &info, std::min(info.struct_size, sizeof(Info)));
  return {};
}

/// Threads, ISA and memory of a lemore_session_options or a lemore_segmenter_options.
template <typename Given>
Status to_compute_options(const Given& given, ComputeOptions& o) {
  o.threads = given.threads;
  if (const lemore_parallel_for& p = given.parallel_for; p.run != nullptr)
    o.parallel_for = ParallelFor{p.run, p.context, p.workers};
  o.arena = given.arena;
  o.arena_bytes = given.arena_bytes;
  if (const lemore_allocator& a = given.allocator; a.allocate != nullptr || a.release != nullptr)
    o.allocator = Allocator{a.allocate, a.release, a.context};
  if (given.isa == nullptr) return {};
  const Result<Isa> isa = parse_isa(given.isa);
  if (isa.ok()) o.isa = *isa;
  return isa.status();
}

Status to_session_options(const lemore_session_options* given, SessionOptions& options) {
  lemore_session_options o;
  if (Status status = read_options(given, o); !status.ok()) return status;
  options.size = {o.height, o.width};
  options.keep_stages = o.keep_stages != 0;
  options.fuse = o.no_fusion == 0;
  return to_compute_options(o, options);
}

// But for `progress`, whose context is the segmenter's handle.
Status to_segmenter_options(const lemore_segmenter_options& given, SegmenterOptions& o) {
  if (given.mode < LEMORE_WHOLE || given.mode > LEMORE_SLIDE)
    return make_error(StatusCode::invalid_argument, {"mode: expected a lemore_mode, got ", given.mode});
  o.mode = static_cast<Mode>(given.mode);
  o.stride = {given.stride_height, given.stride_width};
  return to_compute_options(given, o);
}

Status to_view(const lemore_image* image, ImageView& view) {
  if (image == nullptr) return is_null("image");
  if (image->format < LEMORE_GRAY || image->format > LEMORE_BGRA)
    return make_error(StatusCode::invalid_argument, {"image: expected a lemore_pixel_format, got ", image->format});
  view = {image->data, {image->height, image->width}, image->row_bytes, static_cast<PixelFormat>(image->format)};
  return {};
}

struct LabelViews {
  LabelView labels;
  ConfidenceView confidence;
  bool has_confidence = false;
  const ConfidenceView* confidence_or_null() const { return has_confidence ? &confidence : nullptr; }
};

Status to_views(const lemore_labels* labels, const lemore_confidence* confidence, LabelViews& views) {
  if (labels == nullptr) return is_null("labels");
  views.labels = {labels->data, {labels->height, labels->width}, labels->row_bytes};
  views.has_confidence = confidence != nullptr;
  if (confidence != nullptr)
    views.confidence = {confidence->data, {confidence->height, confidence->width}, confidence->row_stride};
  return {};
}

void copy_shape(const Shape& shape, std::size_t (&extents)[LEMORE_MAX_RANK], int& rank) {
  rank = shape.rank();
  for (int i = 0; i < LEMORE_MAX_RANK; ++i) extents[i] = i < rank ? shape[i] : 0;
}

Status write_tensor(const TensorView& view, lemore_tensor* out) {
  if (out == nullptr) return is_null("tensor");
  out->data = view.f32();
  copy_shape(view.shape, out->shape, out->rank);
  return {};
}

Status check_has_run(const lemore_session* handle) {
  if (handle == nullptr) return is_null("session");
  if (handle->session->data().has_run) return {};
  return {StatusCode::invalid_argument, "session: expected a run before its results are asked for"};
}

/// Makes `Handle` of a Result's value.
template <typename Handle, typename Value>
Status hand_out(Result<Value> made, Handle** out) {
  if (!made.ok()) return made.status();
  *out = new Handle{std::move(*made)};
  return {};
}

template <typename List>
const char* isa_of(const List& list, std::size_t index) {
  return index < list.size() ? isa_name(list[index]) : nullptr;
}

}  // namespace

}  // namespace lemore

using namespace lemore;

extern "C" {

const char* lemore_code_name(int code) {
  return code < LEMORE_OK || code > LEMORE_CANCELLED ? "unknown" : status_code_name(static_cast<StatusCode>(code));
}

const char* lemore_version(void) { return LEMORE_VERSION; }

const char* lemore_supported_isa(size_t index) {
  const char* name = nullptr;
  (void)call(nullptr, [&] { return name = isa_of(supported_isas(), index), Status(); });
  return name;
}

const char* lemore_built_isa(size_t index) {
  const char* name = nullptr;
  (void)call(nullptr, [&] { return name = isa_of(built_isas(), index), Status(); });
  return name;
}

int lemore_default_threads(void) { return default_threads(); }

lemore_code lemore_pool_create(int threads, lemore_pool** pool, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (pool == nullptr) return is_null("pool");
    *pool = nullptr;
    if (threads < 0 || threads > ThreadPool::k_max_threads)
      return make_error(StatusCode::invalid_argument,
                        {"threads: expected 0..", ThreadPool::k_max_threads, ", got ", threads});
    return hand_out(ThreadPool::create(threads), pool);
  });
}

void lemore_pool_free(lemore_pool* pool) { delete pool; }

lemore_parallel_for lemore_pool_parallel_for(lemore_pool* pool) {
  if (pool == nullptr) return {};
  const ParallelFor p = pool->pool.parallel_for();
  return {p.run, p.context, p.workers};
}

lemore_code lemore_model_load(const char* path, const lemore_model_options* options, lemore_model** model,
                              lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    *model = nullptr;
    if (path == nullptr) return is_null("path");
    lemore_model_options o;
    if (Status status = read_options(options, o); !status.ok()) return status;
    LoadOptions load;
    load.copy = o.copy != 0;
    return hand_out(Model::load(path, load), model);
  });
}

lemore_code lemore_model_from_memory(const void* data, size_t size, const lemore_model_options* options,
                                     lemore_model** model, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    *model = nullptr;
    if (data == nullptr) return is_null("data");
    lemore_model_options o;
    if (Status status = read_options(options, o); !status.ok()) return status;
    return hand_out(Model::from_memory(data, size, o.copy != 0, o.name != nullptr ? o.name : "memory"), model);
  });
}

void lemore_model_free(lemore_model* model) { delete model; }

lemore_code lemore_model_get_info(const lemore_model* model, lemore_model_info* info, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    const Model& m = model->model;
    lemore_model_info i{};
    i.architecture = m.architecture().c_str();
    i.config_json = m.config_json().c_str();
    i.height = m.input_size().height;
    i.width = m.input_size().width;
    i.is_classifier = m.is_classifier() ? 1 : 0;
    i.class_count = m.classes().size();
    i.ignore_label = m.ignore_label();
    i.annotation_offset = m.annotation_offset();
    i.labels_name = m.labels_name().c_str();
    const Preprocessing& p = m.preprocessing();
    for (unsigned c = 0; c < 3; ++c) {
      i.mean[c] = p.mean[c];
      i.std[c] = p.std[c];
    }
    i.is_two_step = p.label_map == LabelMapRule::two_step ? 1 : 0;
    i.source = m.provenance().source.c_str();
    i.source_sha256 = m.provenance().source_sha256.c_str();
    i.license = m.provenance().license.c_str();
    i.converter = m.provenance().converter.c_str();
    i.metrics_json = m.provenance().metrics_json.c_str();
    i.trained_parameters = m.trained_parameters();
    i.weight_bytes = m.weight_bytes();
    i.min_side = m.min_side();
    i.resize_rule = static_cast<int>(p.resize);
    i.size_rule = static_cast<int>(p.size_rule);
    i.fit_long = p.fit_long;
    i.fit_short = p.fit_short;
    i.divisor = p.divisor;
    i.tested_mode = static_cast<int>(tested_mode(m));
    i.stride_height = p.stride.height;
    i.stride_width = p.stride.width;
    return write_info(i, info);
  });
}

lemore_code lemore_model_get_class(const lemore_model* model, size_t index, lemore_class* out, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    if (out == nullptr) return is_null("class");
    const auto& classes = model->model.classes();
    if (index >= classes.size())
      return make_error(StatusCode::not_found, {"class ", index, ": the model has ", classes.size()});
    const auto& color = classes[index].color;
    *out = {classes[index].name.c_str(), {color[0], color[1], color[2]}};
    return {};
  });
}

lemore_code lemore_model_macs(const lemore_model* model, int height, int width, uint64_t* macs, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    if (macs == nullptr) return is_null("macs");
    const auto result = model->model.macs({height, width});
    if (result.ok()) *macs = *result;
    return result.status();
  });
}

lemore_code lemore_session_arena_bytes(const lemore_model* model, const lemore_session_options* options, size_t* bytes,
                                       lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    if (bytes == nullptr) return is_null("bytes");
    SessionOptions o;
    if (Status status = to_session_options(options, o); !status.ok()) return status;
    const auto result = Session::arena_bytes(model->model, o);
    if (result.ok()) *bytes = *result;
    return result.status();
  });
}

lemore_code lemore_session_create(const lemore_model* model, const lemore_session_options* options,
                                  lemore_session** session, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    *session = nullptr;
    if (model == nullptr) return is_null("model");
    SessionOptions o;
    if (Status status = to_session_options(options, o); !status.ok()) return status;
    auto made = Session::create(model->model, o);
    if (!made.ok()) return made.status();
    auto handle = std::make_unique<lemore_session>();
    handle->owned.emplace(std::move(*made));
    handle->session = &*handle->owned;
    *session = handle.release();
    return {};
  });
}

void lemore_session_free(lemore_session* session) { delete session; }

lemore_code lemore_session_resize(lemore_session* session, int height, int width, lemore_error* error) {
  return call(error, [&]() -> Status {
    return session == nullptr ? is_null("session") : session->session->resize({height, width});
  });
}

lemore_code lemore_session_get_info(const lemore_session* session, lemore_session_info* info, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    const Session& s = *session->session;
    lemore_session_info i{};
    i.height = s.size().height;
    i.width = s.size().width;
    i.threads = s.threads();
    i.isa = isa_name(s.isa());
    i.arena_bytes = s.arena_bytes();
    i.step_count = s.steps().size();
    i.stage_count = s.stage_names().size();
    i.prepare_ms = s.last_prepare_ms();
    i.network_ms = s.last_network_ms();
    return write_info(i, info);
  });
}

lemore_code lemore_session_run_image(lemore_session* session, const lemore_image* image, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    ImageView view;
    if (Status status = to_view(image, view); !status.ok()) return status;
    return session->session->run(view);
  });
}

lemore_code lemore_session_run_window(lemore_session* session, const lemore_image* image, int top, int left,
                                      lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    ImageView view;
    if (Status status = to_view(image, view); !status.ok()) return status;
    return session->session->run_window(view, top, left);
  });
}

lemore_code lemore_session_run_tensor(lemore_session* session, const float* nchw, size_t elements,
                                      lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    if (nchw == nullptr) return is_null("tensor");
    const Size size = session->session->size();
    const Shape shape{1, 3, static_cast<std::size_t>(size.height), static_cast<std::size_t>(size.width)};
    if (elements != shape.elements())
      return make_error(StatusCode::invalid_shape,
                        {"tensor: expected ", shape.elements(), " elements, ", shape, ", got ", elements});
    return session->session->run(TensorView(nchw, DType::f32, shape, Layout::nchw));
  });
}

lemore_code lemore_session_logits(const lemore_session* session, lemore_tensor* logits, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (Status status = check_has_run(session); !status.ok()) return status;
    return write_tensor(session->session->logits(), logits);
  });
}

lemore_code lemore_session_label_map(lemore_session* session, const lemore_labels* labels,
                                     const lemore_confidence* confidence, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    LabelViews views;
    if (Status status = to_views(labels, confidence, views); !status.ok()) return status;
    return session->session->label_map(views.labels, views.confidence_or_null());
  });
}

lemore_code lemore_session_reserve_labels(lemore_session* session, int height, int width, lemore_error* error) {
  return call(error, [&]() -> Status {
    return session == nullptr ? is_null("session") : session->session->reserve_labels({height, width});
  });
}

const char* lemore_session_stage_name(const lemore_session* session, size_t index) {
  if (session == nullptr || index >= session->session->stage_names().size()) return nullptr;
  return session->session->stage_names()[index].c_str();
}

lemore_code lemore_session_stage(const lemore_session* session, const char* name, lemore_tensor* stage,
                                 lemore_error* error) {
  return call(error, [&]() -> Status {
    if (Status status = check_has_run(session); !status.ok()) return status;
    if (name == nullptr) return is_null("name");
    const auto view = session->session->stage(name);
    return view.ok() ? write_tensor(*view, stage) : view.status();
  });
}

lemore_code lemore_session_set_stage_observer(lemore_session* session, lemore_stage_observer observer, void* context,
                                              lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    session->observer = observer;
    session->observer_context = context;
    const auto forward = [](void* handle, std::string_view name, const Shape& shape, float* elements) {
      const auto* s = static_cast<const lemore_session*>(handle);
      std::size_t extents[LEMORE_MAX_RANK];
      int rank = 0;
      copy_shape(shape, extents, rank);
      s->observer(s->observer_context, name.data(), extents, rank, elements);  // stage names are std::strings
    };
    session->session->set_stage_observer(observer != nullptr ? +forward : nullptr, session);
    return {};
  });
}

lemore_code lemore_session_set_profiling(lemore_session* session, int is_on, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    session->session->set_profiling(is_on != 0);
    return {};
  });
}

lemore_code lemore_session_get_step(const lemore_session* session, size_t index, lemore_step* step,
                                    lemore_error* error) {
  return call(error, [&]() -> Status {
    if (session == nullptr) return is_null("session");
    const Session& s = *session->session;
    if (index >= s.steps().size())
      return make_error(StatusCode::not_found, {"step ", index, ": the session has ", s.steps().size()});
    const StepInfo& info = s.steps()[index];
    lemore_step result{};
    result.name = info.name.c_str();
    result.op = info.op.c_str();
    copy_shape(info.output, result.shape, result.rank);
    result.macs = info.macs;
    result.is_counted = info.counted ? 1 : 0;
    result.milliseconds = index < s.last_times().size() ? s.last_times()[index].milliseconds : 0;
    return write_info(result, step);
  });
}

lemore_code lemore_segmenter_arena_bytes(const lemore_model* model, const lemore_segmenter_options* options, int height,
                                         int width, size_t* bytes, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (model == nullptr) return is_null("model");
    if (bytes == nullptr) return is_null("bytes");
    lemore_segmenter_options given;
    SegmenterOptions o;
    if (Status status = read_options(options, given); !status.ok()) return status;
    if (Status status = to_segmenter_options(given, o); !status.ok()) return status;
    const auto result = Segmenter::arena_bytes(model->model, o, {height, width});
    if (result.ok()) *bytes = *result;
    return result.status();
  });
}

lemore_code lemore_segmenter_create(const lemore_model* model, const lemore_segmenter_options* options,
                                    lemore_segmenter** segmenter, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (segmenter == nullptr) return is_null("segmenter");
    *segmenter = nullptr;
    if (model == nullptr) return is_null("model");
    lemore_segmenter_options given;
    if (Status status = read_options(options, given); !status.ok()) return status;
    SegmenterOptions o;
    if (Status status = to_segmenter_options(given, o); !status.ok()) return status;
    auto handle = std::make_unique<lemore_segmenter>();
    handle->progress = given.progress;
    handle->progress_context = given.progress_context;
    if (given.progress != nullptr) {
      const auto ask = [](void* context, std::size_t done, std::size_t total) {
        const auto* h = static_cast<const lemore_segmenter*>(context);
        return h->progress(h->progress_context, done, total) != 0;
      };
      o.progress = SlideProgress{ask, handle.get()};
    }
    auto made = Segmenter::create(model->model, o);
    if (!made.ok()) return made.status();
    handle->segmenter.emplace(std::move(*made));
    handle->session.session = &handle->segmenter->session();
    *segmenter = handle.release();
    return {};
  });
}

void lemore_segmenter_free(lemore_segmenter* segmenter) { delete segmenter; }

lemore_code lemore_segmenter_segment(lemore_segmenter* segmenter, const lemore_image* image,
                                     const lemore_labels* labels, const lemore_confidence* confidence,
                                     lemore_error* error) {
  return call(error, [&]() -> Status {
    if (segmenter == nullptr) return is_null("segmenter");
    ImageView view;
    if (Status status = to_view(image, view); !status.ok()) return status;
    LabelViews views;
    if (Status status = to_views(labels, confidence, views); !status.ok()) return status;
    return segmenter->segmenter->segment(view, views.labels, views.confidence_or_null());
  });
}

lemore_session* lemore_segmenter_session(lemore_segmenter* segmenter) {
  return segmenter == nullptr ? nullptr : &segmenter->session;
}

lemore_code lemore_segmenter_get_times(const lemore_segmenter* segmenter, lemore_times* times, lemore_error* error) {
  return call(error, [&]() -> Status {
    if (segmenter == nullptr) return is_null("segmenter");
    const PhaseTimes& last = segmenter->segmenter->last_times();
    return write_info(lemore_times{0, last.prepare, last.network, last.labels}, times);
  });
}

}  // extern "C"
