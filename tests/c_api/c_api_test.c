/* The C API from C99, as a program would use it: c_api_test MODEL CLASSIFIER. Ends with exit code 0 and the number of
 * checks, or with 1 at the first check that failed. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lemore/lemore.h"

static int checks = 0;

#define CHECK(condition)                                                           \
  do {                                                                             \
    ++checks;                                                                      \
    if (!(condition)) {                                                            \
      printf("%s:%d: FAILED: %s\n", __FILE__, __LINE__, #condition);               \
      printf("last error: %s: %s\n", lemore_code_name(error.code), error.message); \
      exit(1);                                                                     \
    }                                                                              \
  } while (0)

/* A call that must succeed, and one that must fail with a code and a text that says `word`. */
#define OK(call) CHECK((call) == LEMORE_OK && error.code == LEMORE_OK && error.message[0] == '\0')
#define FAILS(call, expected, word) \
  CHECK((call) == (expected) && error.code == (expected) && strstr(error.message, (word)) != NULL)

static lemore_error error;

enum { image_h = 70, image_w = 90 };
static unsigned char rgb[image_h * (image_w * 4 + 7)], other[image_h * (image_w * 4 + 7)];
static unsigned char labels[image_h * image_w], labels2[image_h * image_w];
static float confidence[image_h * image_w];

static void draw(void) {
  unsigned state = 1;
  int i;
  for (i = 0; i < image_h * image_w * 3; ++i) {
    state = state * 1103515245u + 12345u;
    rgb[i] = (unsigned char)(state >> 24);
  }
}

static lemore_image view(unsigned char* data, int format, size_t pixel, size_t padding) {
  lemore_image image;
  image.data = data;
  image.height = image_h;
  image.width = image_w;
  image.row_bytes = image_w * pixel + padding;
  image.format = format;
  return image;
}

static unsigned char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  unsigned char* bytes;
  long length;
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  length = ftell(file);
  rewind(file);
  bytes = malloc((size_t)length + 64);
  *size = fread(bytes, 1, (size_t)length, file);
  fclose(file);
  return bytes;
}

/* The caller's threads: last task first. */
static int backward_calls = 0;
static void run_backward(void* context, int tasks, lemore_task body, void* body_context) {
  ++*(int*)context;
  while (tasks-- > 0) body(body_context, tasks);
}

static size_t held_bytes = 0;
static int refuse = 0;
static void* allocate(void* context, size_t bytes, size_t alignment) {
  char* raw;
  char* aligned;
  if (refuse) return NULL;
  raw = malloc(bytes + alignment + sizeof(void*));
  aligned = raw + sizeof(void*);
  aligned += (alignment - (size_t)aligned % alignment) % alignment;
  memcpy(aligned - sizeof(void*), &raw, sizeof raw);
  *(size_t*)context += bytes;
  return aligned;
}
static void release(void* context, void* memory, size_t bytes) {
  char* raw;
  memcpy(&raw, (char*)memory - sizeof(void*), sizeof raw);
  *(size_t*)context -= bytes;
  free(raw);
}

typedef struct {
  size_t calls, last_total, stop_after;
} Asked;
static int ask(void* context, size_t done, size_t total) {
  Asked* asked = context;
  ++asked->calls;
  asked->last_total = total;
  return done < asked->stop_after;
}

static size_t stages_seen = 0;
static void see_stage(void* context, const char* name, const size_t* shape, int rank, float* elements) {
  const char* expected = lemore_session_stage_name(context, stages_seen++);
  if (expected == NULL || strcmp(expected, name) != 0 || rank != 4 || shape[0] != 1 || elements == NULL) exit(3);
}

static void machine(void) {
  size_t i, built = 0;
  CHECK(strcmp(lemore_version(), EXPECTED_VERSION) == 0);
  CHECK(strcmp(lemore_code_name(LEMORE_CANCELLED), "cancelled") == 0);
  CHECK(strcmp(lemore_code_name(-1), "unknown") == 0 && strcmp(lemore_code_name(9), "unknown") == 0);
  while (lemore_built_isa(built) != NULL) ++built;
  for (i = 0; lemore_supported_isa(i + 1) != NULL; ++i) continue;
  CHECK(built > i);
  CHECK(strcmp(lemore_supported_isa(i), "portable") == 0);
  CHECK(lemore_default_threads() >= 1);
}

static void model_information(const lemore_model* model) {
  lemore_model_info info;
  lemore_class class_info;
  uint64_t macs = 0, larger = 0;
  size_t i;
  memset(&info, 0, sizeof info);
  FAILS(lemore_model_get_info(model, &info, &error), LEMORE_INVALID_ARGUMENT, "struct_size");
  info.struct_size = sizeof info;
  OK(lemore_model_get_info(model, &info, &error));
  CHECK(info.struct_size == sizeof info);
  CHECK(strcmp(info.architecture, "lemore") == 0);
  CHECK(info.config_json[0] == '{' && strstr(info.config_json, "num_classes") != NULL);
  CHECK(info.height >= 32 && info.width >= 32 && !info.is_classifier);
  CHECK(info.class_count >= 2 && info.trained_parameters > 100 && info.weight_bytes > 400);
  CHECK(info.std[0] > 0 && info.labels_name != NULL && info.license != NULL);
  /* The network's least size, and how its authors test. */
  CHECK(info.min_side == 32 && info.resize_rule == LEMORE_BILINEAR && info.size_rule == LEMORE_SIZE_EXACT);
  CHECK(info.fit_long == 0 && info.fit_short == 0 && info.divisor == 1 && info.tested_mode == LEMORE_WHOLE);
  CHECK(info.stride_height == 0 && info.stride_width == 0);
  /* A struct of before it had these is filled as far as it goes. */
  info.min_side = -7;
  info.struct_size = offsetof(lemore_model_info, min_side);
  OK(lemore_model_get_info(model, &info, &error));
  CHECK(info.min_side == -7 && info.height >= 32);
  for (i = 0; i < info.class_count; ++i) {
    OK(lemore_model_get_class(model, i, &class_info, &error));
    CHECK(class_info.name[0] != '\0');
  }
  FAILS(lemore_model_get_class(model, i, &class_info, &error), LEMORE_NOT_FOUND, "the model has");
  OK(lemore_model_macs(model, 64, 64, &macs, &error));
  OK(lemore_model_macs(model, 128, 64, &larger, &error));
  CHECK(macs > 0 && larger > macs);
  FAILS(lemore_model_macs(model, 31, 64, &macs, &error), LEMORE_INVALID_SHAPE, "31x64");
}

static void sessions(const lemore_model* model) {
  lemore_session_options options;
  lemore_session* session = NULL;
  lemore_session* second = NULL;
  lemore_session_info info;
  lemore_tensor logits, stage;
  lemore_pool* pool = NULL;
  lemore_image image = view(rgb, LEMORE_RGB, 3, 0), wrong;
  lemore_labels map;
  lemore_confidence sure;
  float* expected;
  float* input;
  size_t count = 1, i, bytes = 0, k;
  int y, x;
  void* memory;

  OK(lemore_session_create(model, NULL, &session, &error)); /* all defaults */
  lemore_session_free(session);

  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.height = 64;
  options.width = 48;
  options.threads = 2;
  options.isa = "portable";
  OK(lemore_session_create(model, &options, &session, &error));
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  OK(lemore_session_get_info(session, &info, &error));
  CHECK(info.height == 64 && info.width == 48 && info.threads == 2 && strcmp(info.isa, "portable") == 0);
  CHECK(info.step_count > 10 && info.stage_count > 3 && info.arena_bytes > 0);

  FAILS(lemore_session_logits(session, &logits, &error), LEMORE_INVALID_ARGUMENT, "a run before");
  OK(lemore_session_run_image(session, &image, &error));
  OK(lemore_session_logits(session, &logits, &error));
  CHECK(logits.rank == 4 && logits.shape[0] == 1 && logits.shape[1] == 8 && logits.shape[2] == 6);
  for (i = 0; i < 4; ++i) count *= logits.shape[i];
  expected = malloc(count * sizeof(float));
  memcpy(expected, logits.data, count * sizeof(float));

  /* BGR with padded rows, RGBA, and gray against the same pixels as RGB. */
  for (k = 0; k < 2; ++k) {
    const size_t pixel = k == 0 ? 3 : 4, padding = 7;
    for (y = 0; y < image_h; ++y)
      for (x = 0; x < image_w; ++x)
        for (i = 0; i < 3; ++i)
          other[(size_t)y * (image_w * pixel + padding) + (size_t)x * pixel + (k == 0 ? 2 - i : i)] =
              rgb[((size_t)y * image_w + (size_t)x) * 3 + i];
    image = view(other, k == 0 ? LEMORE_BGR : LEMORE_RGBA, pixel, padding);
    OK(lemore_session_run_image(session, &image, &error));
    OK(lemore_session_logits(session, &logits, &error));
    CHECK(memcmp(expected, logits.data, count * sizeof(float)) == 0);
  }
  image = view(rgb, LEMORE_GRAY, 1, 3);
  OK(lemore_session_run_image(session, &image, &error));

  /* Label map with confidence; reserved before. */
  OK(lemore_session_reserve_labels(session, image_h, image_w, &error));
  FAILS(lemore_session_reserve_labels(session, -1, image_w, &error), LEMORE_INVALID_ARGUMENT, "-1x90");
  map.data = labels;
  map.height = image_h;
  map.width = image_w;
  map.row_bytes = image_w;
  sure.data = confidence;
  sure.height = image_h;
  sure.width = image_w;
  sure.row_stride = image_w;
  OK(lemore_session_label_map(session, &map, &sure, &error));
  map.data = labels2;
  OK(lemore_session_label_map(session, &map, NULL, &error));
  CHECK(memcmp(labels, labels2, sizeof labels) == 0);
  for (i = 0; i < image_h * image_w; ++i) CHECK(confidence[i] > 0 && confidence[i] <= 1.0001f);
  map.row_bytes = image_w - 1;
  FAILS(lemore_session_label_map(session, &map, NULL, &error), LEMORE_INVALID_ARGUMENT, "too narrow");

  /* A window is an image of the input's size. */
  image = view(rgb, LEMORE_RGB, 3, 0);
  OK(lemore_session_run_window(session, &image, image_h - 64, image_w - 48, &error));
  FAILS(lemore_session_run_window(session, &image, image_h - 63, 0, &error), LEMORE_INVALID_ARGUMENT, "leaves");

  /* Floats. */
  input = calloc(3 * 64 * 48, sizeof(float));
  OK(lemore_session_run_tensor(session, input, 3 * 64 * 48, &error));
  FAILS(lemore_session_run_tensor(session, input, 3 * 64 * 48 - 1, &error), LEMORE_INVALID_SHAPE, "9216");
  free(input);

  /* What is wrong is said. */
  FAILS(lemore_session_run_image(session, NULL, &error), LEMORE_INVALID_ARGUMENT, "image");
  FAILS(lemore_session_run_image(NULL, &image, &error), LEMORE_INVALID_ARGUMENT, "session");
  wrong = image;
  wrong.format = 6;
  FAILS(lemore_session_run_image(session, &wrong, &error), LEMORE_INVALID_ARGUMENT, "pixel_format");
  wrong = image;
  wrong.row_bytes = 3;
  FAILS(lemore_session_run_image(session, &wrong, &error), LEMORE_INVALID_ARGUMENT, "rows of 3 bytes");
  FAILS(lemore_session_stage(session, "stem", &stage, &error), LEMORE_NOT_FOUND, "keep_stages");
  CHECK(lemore_session_run_image(session, &wrong, NULL) == LEMORE_INVALID_ARGUMENT); /* no text asked for */

  /* Another size and back: the same bits. */
  OK(lemore_session_resize(session, 33, 95, &error));
  FAILS(lemore_session_logits(session, &logits, &error), LEMORE_INVALID_ARGUMENT, "a run before");
  OK(lemore_session_run_image(session, &image, &error));
  FAILS(lemore_session_resize(session, 33, 20000, &error), LEMORE_INVALID_SHAPE, "33x20000");
  OK(lemore_session_resize(session, 64, 48, &error));
  OK(lemore_session_run_image(session, &image, &error));
  OK(lemore_session_logits(session, &logits, &error));
  CHECK(memcmp(expected, logits.data, count * sizeof(float)) == 0);

  /* The caller's threads, a shared pool, and every layer on its own. */
  backward_calls = 0;
  options.parallel_for.run = run_backward;
  options.parallel_for.context = &backward_calls;
  options.parallel_for.workers = 3;
  OK(lemore_session_create(model, &options, &second, &error));
  OK(lemore_session_run_image(second, &image, &error));
  OK(lemore_session_logits(second, &logits, &error));
  CHECK(backward_calls > 5 && memcmp(expected, logits.data, count * sizeof(float)) == 0);
  lemore_session_free(second);
  options.parallel_for.workers = 0;
  FAILS(lemore_session_create(model, &options, &second, &error), LEMORE_INVALID_ARGUMENT, "at least 1 worker");
  CHECK(second == NULL);
  OK(lemore_pool_create(3, &pool, &error));
  options.parallel_for = lemore_pool_parallel_for(pool);
  CHECK(options.parallel_for.workers == 3 && lemore_pool_parallel_for(NULL).run == NULL);
  options.no_fusion = 1;
  OK(lemore_session_create(model, &options, &second, &error));
  OK(lemore_session_run_image(second, &image, &error));
  OK(lemore_session_logits(second, &logits, &error));
  CHECK(memcmp(expected, logits.data, count * sizeof(float)) == 0);
  lemore_session_free(second);
  lemore_pool_free(pool);
  FAILS(lemore_pool_create(-1, &pool, &error), LEMORE_INVALID_ARGUMENT, "threads");
  memset(&options.parallel_for, 0, sizeof options.parallel_for);
  options.no_fusion = 0;

  /* The caller's memory: exactly as much as asked for. */
  OK(lemore_session_arena_bytes(model, &options, &bytes, &error));
  memory = malloc(bytes + 64);
  options.arena = (char*)memory + (64 - (size_t)memory % 64) % 64;
  options.arena_bytes = bytes - 1;
  FAILS(lemore_session_create(model, &options, &second, &error), LEMORE_INVALID_ARGUMENT, "arena");
  options.arena_bytes = bytes;
  OK(lemore_session_create(model, &options, &second, &error));
  OK(lemore_session_run_image(second, &image, &error));
  OK(lemore_session_logits(second, &logits, &error));
  CHECK(memcmp(expected, logits.data, count * sizeof(float)) == 0);
  CHECK((const char*)logits.data >= (char*)options.arena && (const char*)logits.data < (char*)options.arena + bytes);
  lemore_session_free(second);
  free(memory);
  options.arena = NULL;
  options.allocator.allocate = allocate;
  FAILS(lemore_session_create(model, &options, &second, &error), LEMORE_INVALID_ARGUMENT, "both functions");
  options.allocator.release = release;
  options.allocator.context = &held_bytes;
  OK(lemore_session_create(model, &options, &second, &error));
  CHECK(held_bytes == bytes);
  refuse = 1;
  FAILS(lemore_session_resize(second, 32, 32, &error), LEMORE_OUT_OF_MEMORY, "arena");
  refuse = 0;
  OK(lemore_session_run_image(second, &image, &error)); /* as before the resize */
  OK(lemore_session_resize(second, 32, 32, &error));
  CHECK(held_bytes < bytes);
  lemore_session_free(second);
  CHECK(held_bytes == 0);
  memset(&options.allocator, 0, sizeof options.allocator);

  /* Stages and steps. */
  options.keep_stages = 1;
  OK(lemore_session_create(model, &options, &second, &error));
  OK(lemore_session_set_profiling(second, 1, &error));
  stages_seen = 0;
  OK(lemore_session_set_stage_observer(second, see_stage, second, &error));
  OK(lemore_session_run_image(second, &image, &error));
  OK(lemore_session_get_info(second, &info, &error));
  CHECK(stages_seen == info.stage_count && info.network_ms > 0);
  CHECK(lemore_session_stage_name(second, stages_seen) == NULL);
  OK(lemore_session_set_stage_observer(second, NULL, NULL, &error));
  OK(lemore_session_stage(second, lemore_session_stage_name(second, 0), &stage, &error));
  CHECK(stage.rank == 4 && stage.data != NULL);
  FAILS(lemore_session_stage(second, "no such", &stage, &error), LEMORE_NOT_FOUND, "no such");
  {
    double total = 0;
    for (i = 0; i < info.step_count; ++i) {
      lemore_step step;
      memset(&step, 0, sizeof step);
      step.struct_size = sizeof step;
      OK(lemore_session_get_step(second, i, &step, &error));
      CHECK(step.name[0] != '\0' && step.op[0] != '\0' && step.rank >= 1);
      total += step.milliseconds;
    }
    CHECK(total > 0);
    {
      lemore_step step;
      memset(&step, 0, sizeof step);
      FAILS(lemore_session_get_step(second, info.step_count, &step, &error), LEMORE_NOT_FOUND, "the session has");
    }
  }
  lemore_session_free(second);
  options.keep_stages = 0;

  /* Options of other versions. */
  options.struct_size = 0;
  FAILS(lemore_session_create(model, &options, &second, &error), LEMORE_INVALID_ARGUMENT, "struct_size");
  {
    struct {
      lemore_session_options known;
      double later;
    } future;
    memset(&future, 0, sizeof future);
    future.known = options;
    future.known.struct_size = sizeof future;
    OK(lemore_session_create(model, &future.known, &second, &error));
    lemore_session_free(second);
    future.later = 1;
    FAILS(lemore_session_create(model, &future.known, &second, &error), LEMORE_UNSUPPORTED, "is set");
  }
  options.struct_size = sizeof options;
  options.isa = "mmx";
  FAILS(lemore_session_create(model, &options, &second, &error), LEMORE_UNSUPPORTED, "mmx");
  lemore_session_free(session);
  free(expected);
}

static void segmenters(const lemore_model* model) {
  lemore_segmenter_options options;
  lemore_segmenter* segmenter = NULL;
  lemore_image image = view(rgb, LEMORE_RGB, 3, 0);
  lemore_labels map;
  lemore_times times;
  lemore_session_info info;
  Asked asked;
  map.data = labels;
  map.height = image_h;
  map.width = image_w;
  map.row_bytes = image_w;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  for (options.mode = LEMORE_WHOLE; options.mode <= LEMORE_SLIDE; ++options.mode) {
    lemore_confidence sure;
    sure.data = confidence;
    sure.height = image_h;
    sure.width = image_w;
    sure.row_stride = image_w;
    OK(lemore_segmenter_create(model, &options, &segmenter, &error));
    OK(lemore_segmenter_segment(segmenter, &image, &map, &sure, &error));
    OK(lemore_session_get_info(lemore_segmenter_session(segmenter), &info, &error));
    if (options.mode == LEMORE_NATIVE) CHECK(info.height == image_h && info.width == image_w);
    memset(&times, 0, sizeof times);
    times.struct_size = sizeof times;
    OK(lemore_segmenter_get_times(segmenter, &times, &error));
    CHECK(times.network_ms > 0 && times.labels_ms > 0);
    lemore_segmenter_free(segmenter);
  }
  FAILS(lemore_segmenter_create(model, &options, &segmenter, &error), LEMORE_INVALID_ARGUMENT, "mode");

  /* The caller's memory: exactly as much as asked for; and its allocator. */
  for (options.mode = LEMORE_WHOLE; options.mode <= LEMORE_SLIDE; ++options.mode) {
    size_t bytes = 0;
    void* memory;
    map.data = labels;
    OK(lemore_segmenter_create(model, &options, &segmenter, &error));
    OK(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error));
    lemore_segmenter_free(segmenter);
    OK(lemore_segmenter_arena_bytes(model, &options, image_h, image_w, &bytes, &error));
    memory = malloc(bytes + 64);
    options.arena = (char*)memory + (64 - (size_t)memory % 64) % 64;
    options.arena_bytes = bytes;
    map.data = labels2;
    OK(lemore_segmenter_create(model, &options, &segmenter, &error));
    OK(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error));
    CHECK(memcmp(labels, labels2, sizeof labels) == 0);
    lemore_segmenter_free(segmenter);
    options.arena_bytes = 64;
    FAILS(lemore_segmenter_create(model, &options, &segmenter, &error), LEMORE_INVALID_ARGUMENT, "arena");
    /* A struct of before it had an arena. */
    options.struct_size = offsetof(lemore_segmenter_options, arena);
    OK(lemore_segmenter_create(model, &options, &segmenter, &error));
    lemore_segmenter_free(segmenter);
    options.struct_size = sizeof options;
    free(memory);
    options.arena = NULL;
    options.arena_bytes = 0;

    options.allocator.allocate = allocate;
    options.allocator.release = release;
    options.allocator.context = &held_bytes;
    OK(lemore_segmenter_create(model, &options, &segmenter, &error));
    OK(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error));
    CHECK(memcmp(labels, labels2, sizeof labels) == 0);
    CHECK(held_bytes > 0 && held_bytes <= bytes);
    lemore_segmenter_free(segmenter);
    CHECK(held_bytes == 0);
    memset(&options.allocator, 0, sizeof options.allocator);
  }
  map.data = labels;
  options.mode = LEMORE_KEEP; /* the old name of LEMORE_NATIVE */
  {
    size_t bytes = 0;
    FAILS(lemore_segmenter_arena_bytes(model, &options, 31, 64, &bytes, &error), LEMORE_INVALID_SHAPE, "31x64");
    FAILS(lemore_segmenter_arena_bytes(model, &options, 64, 64, NULL, &error), LEMORE_INVALID_ARGUMENT, "bytes");
    FAILS(lemore_segmenter_arena_bytes(NULL, &options, 64, 64, &bytes, &error), LEMORE_INVALID_ARGUMENT, "model");
  }

  /* Progress, and its end. */
  options.mode = LEMORE_SLIDE;
  options.stride_height = 8;
  options.stride_width = 8;
  options.progress = ask;
  options.progress_context = &asked;
  memset(&asked, 0, sizeof asked);
  asked.stop_after = 1000000;
  OK(lemore_segmenter_create(model, &options, &segmenter, &error));
  OK(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error));
  CHECK(asked.calls > 2 && asked.calls == asked.last_total);
  asked.calls = 0;
  asked.stop_after = 2;
  FAILS(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error), LEMORE_CANCELLED, "after 2 of");
  CHECK(asked.calls == 2);
  map.width = image_w - 1;
  FAILS(lemore_segmenter_segment(segmenter, &image, &map, NULL, &error), LEMORE_INVALID_ARGUMENT, "label view");
  lemore_segmenter_free(segmenter);
  FAILS(lemore_segmenter_segment(NULL, &image, &map, NULL, &error), LEMORE_INVALID_ARGUMENT, "segmenter");
  CHECK(lemore_segmenter_session(NULL) == NULL);
}

static void classifier(const char* path) {
  lemore_model* model = NULL;
  lemore_session* session = NULL;
  lemore_segmenter* segmenter = NULL;
  lemore_image image = view(rgb, LEMORE_RGB, 3, 0);
  lemore_tensor logits;
  lemore_labels map;
  OK(lemore_model_load(path, NULL, &model, &error));
  FAILS(lemore_segmenter_create(model, NULL, &segmenter, &error), LEMORE_UNSUPPORTED, "classifier");
  OK(lemore_session_create(model, NULL, &session, &error));
  OK(lemore_session_run_image(session, &image, &error));
  OK(lemore_session_logits(session, &logits, &error));
  CHECK(logits.rank == 2 && logits.shape[0] == 1);
  map.data = labels;
  map.height = image_h;
  map.width = image_w;
  map.row_bytes = image_w;
  FAILS(lemore_session_label_map(session, &map, NULL, &error), LEMORE_UNSUPPORTED, "classifier");
  lemore_model_free(model); /* the session keeps the weights */
  OK(lemore_session_run_image(session, &image, &error));
  lemore_session_free(session);
}

int main(int argc, char** argv) {
  lemore_model* model = NULL;
  lemore_model_options options;
  unsigned char* bytes;
  size_t size = 0;
  if (argc != 3) return 2;
  draw();
  machine();

  OK(lemore_model_load(argv[1], NULL, &model, &error));
  model_information(model);
  sessions(model);
  segmenters(model);
  lemore_model_free(model);
  classifier(argv[2]);

  /* From memory: used in place, or copied; and bytes that are not a weight file. */
  bytes = read_file(argv[1], &size);
  CHECK(bytes != NULL && size > 1000);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.name = "the array";
  options.copy = 1;
  OK(lemore_model_from_memory(bytes, size, &options, &model, &error));
  memset(bytes + size / 2, 0xFF, size / 4); /* a copy does not mind */
  sessions(model);
  lemore_model_free(model);
  FAILS(lemore_model_from_memory(bytes, 4, &options, &model, &error), LEMORE_INVALID_FILE, "the array");
  CHECK(model == NULL);
  FAILS(lemore_model_from_memory(NULL, 4, &options, &model, &error), LEMORE_INVALID_ARGUMENT, "data");
  FAILS(lemore_model_load("/no/such/file", NULL, &model, &error), LEMORE_IO_ERROR, "/no/such/file");
  FAILS(lemore_model_load(NULL, NULL, &model, &error), LEMORE_INVALID_ARGUMENT, "path");
  CHECK(lemore_model_load(argv[1], NULL, NULL, NULL) == LEMORE_INVALID_ARGUMENT);
  free(bytes);

  /* A text longer than its room ends on a whole character. */
  {
    char name[400];
    int i;
    for (i = 0; i + 3 < 400; i += 2) memcpy(name + i, "\xc3\xa4", 3);
    FAILS(lemore_model_load(name, NULL, &model, &error), LEMORE_IO_ERROR, "\xc3\xa4");
    CHECK(strlen(error.message) >= 253 && ((unsigned char)error.message[strlen(error.message) - 1] & 0xC0) == 0x80);
  }
  lemore_model_free(NULL);
  lemore_session_free(NULL);
  lemore_segmenter_free(NULL);
  lemore_pool_free(NULL);
  printf("all checks passed: %d\n", checks);
  return 0;
}
