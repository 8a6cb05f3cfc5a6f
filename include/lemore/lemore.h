/* lemore in C: everything a program needs, in C99.
 *
 * Handles        lemore_model, lemore_session, lemore_segmenter and lemore_pool are opaque. Who creates one frees it;
 *                freeing NULL does nothing. A model may be freed while sessions use it: its weights live as long as
 *                they do.
 * Errors         functions that can fail return a lemore_code and, where `error` is not NULL, write code and one line
 *                of text there (LEMORE_OK and an empty text on success). Results are written on success alone; a
 *                handle asked for becomes NULL on failure. Nothing prints, aborts or throws. NULL where an object is
 *                expected is LEMORE_INVALID_ARGUMENT.
 * Options        structs with `struct_size` first grow at their end in later versions. Set all to zero, then
 *                struct_size to sizeof of the struct: zero means default everywhere. A larger struct than this library
 *                knows is taken when what it does not know is zero. NULL options are all defaults.
 *                    lemore_session_options options = {0};
 *                    options.struct_size = sizeof options;
 * Information    structs with `struct_size` first are filled as far as struct_size reaches.
 * Strings        UTF-8, ended by zero; those handed out belong to the handle and live as long as it.
 * Threads        a model may be used by any number of threads at once, any other handle by one at a time.
 * Memory         images, label maps and tensors are the caller's and are not kept beyond the call.
 */
#ifndef LEMORE_LEMORE_H
#define LEMORE_LEMORE_H

#include <stddef.h>
#include <stdint.h>

#include "lemore/export.h"
/* Last: */
#include "lemore/push_macros.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors, version, machine ---- */

typedef enum lemore_code {
  LEMORE_OK = 0,
  LEMORE_INVALID_ARGUMENT = 1, /* a parameter of the call */
  LEMORE_INVALID_SHAPE = 2,    /* a tensor or image of the wrong size */
  LEMORE_INVALID_FILE = 3,     /* bytes from outside that are not what they should be */
  LEMORE_UNSUPPORTED = 4,      /* well-formed, but this build or CPU can't do it */
  LEMORE_NOT_FOUND = 5,        /* a name or index that is not there */
  LEMORE_IO_ERROR = 6,         /* the operating system refused */
  LEMORE_OUT_OF_MEMORY = 7,
  LEMORE_CANCELLED = 8
} lemore_code;

/* What went wrong; the caller's. The text is cut at a character's end where it is longer. */
typedef struct lemore_error {
  lemore_code code;
  char message[256];
} lemore_error;

/* "ok", "invalid_argument"...; "unknown" for other values. Never NULL. */
LEMORE_API const char* lemore_code_name(int code);

/* Version of the library that runs, for instance "0.1.0". Never NULL. */
LEMORE_API const char* lemore_version(void);

/* Name of the index-th instruction set that this build has and this CPU can run, best first ("avx512", "avx2", "neon",
 * "portable"); NULL behind the last. */
LEMORE_API const char* lemore_supported_isa(size_t index);
/* The same of all this library was built with. */
LEMORE_API const char* lemore_built_isa(size_t index);

/* Cores this process may use: CPU affinity and cgroup quotas considered. At least 1. */
LEMORE_API int lemore_default_threads(void);

/* ---- Threads ---- */

/* One piece of work: task 0..tasks - 1. */
typedef void (*lemore_task)(void* task_context, int task);

/* The caller's threads. `run` calls body(body_context, i) exactly once for every i in 0..tasks - 1, on any threads, in
 * any order, and returns when all are done. lemore gives it at most `workers` tasks at a time. */
typedef struct lemore_parallel_for {
  void (*run)(void* context, int tasks, lemore_task body, void* body_context);
  void* context;
  int workers; /* at least 1 */
} lemore_parallel_for;

/* Threads that sleep while there is nothing to do. A session makes its own; a pool is for sessions that take turns. */
typedef struct lemore_pool lemore_pool;

/* `threads` in all, the caller's included; 0: lemore_default_threads(). Fewer where the system starts no more. */
LEMORE_API lemore_code lemore_pool_create(int threads, lemore_pool** pool, lemore_error* error);
/* Requires that no session uses it any more. */
LEMORE_API void lemore_pool_free(lemore_pool* pool);
/* The pool as options take it, valid while the pool lives; all zero for NULL. One caller at a time: a second one
 * computes alone. */
LEMORE_API lemore_parallel_for lemore_pool_parallel_for(lemore_pool* pool);

/* ---- Images, label maps, tensors (these structs never change) ---- */

typedef enum lemore_pixel_format {
  LEMORE_GRAY = 0,
  LEMORE_GRAY_ALPHA = 1,
  LEMORE_RGB = 2,
  LEMORE_BGR = 3,
  LEMORE_RGBA = 4,
  LEMORE_BGRA = 5
} lemore_pixel_format; /* alpha is ignored */

/* An 8-bit image: row y starts at data + y * row_bytes. */
typedef struct lemore_image {
  const uint8_t* data;
  int height, width; /* pixels */
  size_t row_bytes;  /* at least width * bytes of a pixel */
  int format;        /* a lemore_pixel_format */
} lemore_image;

/* One class index a pixel, written by lemore: row y starts at data + y * row_bytes. */
typedef struct lemore_labels {
  uint8_t* data;
  int height, width;
  size_t row_bytes; /* at least width */
} lemore_labels;

/* Probability of each pixel's class, 0..1, written by lemore: row y starts at data + y * row_stride (elements). */
typedef struct lemore_confidence {
  float* data;
  int height, width;
  size_t row_stride; /* at least width */
} lemore_confidence;

#define LEMORE_MAX_RANK 8

/* Floats of a session, dense, channels last: [1, h, w, c], or [1, classes] for a classifier's logits. */
typedef struct lemore_tensor {
  const float* data;
  int rank;
  size_t shape[LEMORE_MAX_RANK];
} lemore_tensor;

/* ---- Models ---- */

/* A network with its weights; immutable. */
typedef struct lemore_model lemore_model;

typedef struct lemore_model_options {
  size_t struct_size;
  int copy;         /* not 0: read the file, or copy the memory, instead of using it in place */
  const char* name; /* lemore_model_from_memory: stands for the file in messages; NULL: "memory" */
} lemore_model_options;

/* Loads the weight file at `path` (format: weights/README.md). The file is mapped and must not be truncated while the
 * model lives, unless options->copy. Errors: LEMORE_IO_ERROR, LEMORE_INVALID_FILE (names file, field, what was expected
 * and what came), LEMORE_UNSUPPORTED, LEMORE_OUT_OF_MEMORY. */
LEMORE_API lemore_code lemore_model_load(const char* path, const lemore_model_options* options, lemore_model** model,
                                         lemore_error* error);
/* The same from `size` bytes at `data`, which must outlive the model and its sessions unless options->copy. They are
 * read only, and used in place where tensors lie on 64-byte boundaries. */
LEMORE_API lemore_code lemore_model_from_memory(const void* data, size_t size, const lemore_model_options* options,
                                                lemore_model** model, lemore_error* error);
LEMORE_API void lemore_model_free(lemore_model* model);

typedef struct lemore_model_info {
  size_t struct_size;
  const char* architecture;
  const char* config_json; /* the configuration as the file holds it: every value of the network's description */
  int height, width;       /* input the network was trained for */
  int is_classifier;       /* 1: its output is one row of logits, and it makes no label map */
  size_t class_count;
  int ignore_label;        /* value for "no class" in annotations, or -1 */
  int annotation_offset;   /* added to a class index in annotations */
  const char* labels_name; /* of the label set; may be empty */
  float mean[3], std[3];   /* what an image is normalised with: (value - mean) / std, RGB, values 0..255 */
  int is_two_step;         /* 1: logits are resized to the input's size first, then to the image's */
  const char* source;      /* provenance; any may be empty */
  const char* source_sha256;
  const char* license;
  const char* converter;
  const char* metrics_json;
  uint64_t trained_parameters; /* as the paper counts */
  uint64_t weight_bytes;
} lemore_model_info;

/* Fills `info`, whose struct_size the caller has set. */
LEMORE_API lemore_code lemore_model_get_info(const lemore_model* model, lemore_model_info* info, lemore_error* error);

typedef struct lemore_class {
  const char* name;
  uint8_t color[3]; /* red, green, blue */
} lemore_class;

/* Class `index` in the order of the logits. Errors: LEMORE_NOT_FOUND. */
LEMORE_API lemore_code lemore_model_get_class(const lemore_model* model, size_t index, lemore_class* out,
                                              lemore_error* error);
/* Multiply-accumulates for one input of this size, as the paper counts. Errors: LEMORE_INVALID_SHAPE. */
LEMORE_API lemore_code lemore_model_macs(const lemore_model* model, int height, int width, uint64_t* macs,
                                         lemore_error* error);

/* ---- Sessions: one network of one input size, with all memory a run needs ---- */

typedef struct lemore_session lemore_session;

/* Where the large memory comes from: all activations and what label maps need, and a segmenter's windows. Called when a
 * session is made, resized and freed, and by a segmenter where an image needs more; never by a run. */
typedef struct lemore_allocator {
  void* (*allocate)(void* context, size_t bytes, size_t alignment); /* NULL: there is no more */
  void (*release)(void* context, void* memory, size_t bytes);
  void* context;
} lemore_allocator;

typedef struct lemore_session_options {
  size_t struct_size;
  int height, width;                /* input; both 0: the model's own */
  int threads;                      /* of the session's own pool; 0: lemore_default_threads() */
  lemore_parallel_for parallel_for; /* the caller's threads, where `run` is not NULL */
  const char* isa;                  /* NULL: LEMORE_ISA of the environment, else the best this CPU has */
  int keep_stages;                  /* not 0: every named stage can be read after a run */
  int no_fusion;                    /* not 0: each layer on its own; slower, the same bits */
  void* arena;                      /* memory for all activations, aligned to 64 bytes; NULL: the session gets it */
  size_t arena_bytes;               /* at least lemore_session_arena_bytes(...) */
  lemore_allocator allocator;       /* gives the arena, where both functions are there and arena is NULL */
} lemore_session_options;

/* Exact bytes of the arena a session with these options needs. Errors: as lemore_session_create. */
LEMORE_API lemore_code lemore_session_arena_bytes(const lemore_model* model, const lemore_session_options* options,
                                                  size_t* bytes, lemore_error* error);
/* Plans, allocates and starts threads; a run does none of that. Errors: LEMORE_INVALID_SHAPE (below 32 or beyond 16384
 * pixels a side), LEMORE_INVALID_ARGUMENT, LEMORE_UNSUPPORTED (isa), LEMORE_OUT_OF_MEMORY. */
LEMORE_API lemore_code lemore_session_create(const lemore_model* model, const lemore_session_options* options,
                                             lemore_session** session, lemore_error* error);
LEMORE_API void lemore_session_free(lemore_session* session);
/* Plans anew for another input size, with the same threads. On an error the session is as before. */
LEMORE_API lemore_code lemore_session_resize(lemore_session* session, int height, int width, lemore_error* error);

typedef struct lemore_session_info {
  size_t struct_size;
  int height, width;
  int threads;
  const char* isa;
  size_t arena_bytes;
  size_t step_count;
  size_t stage_count;
  double prepare_ms, network_ms; /* of the last run */
} lemore_session_info;

LEMORE_API lemore_code lemore_session_get_info(const lemore_session* session, lemore_session_info* info,
                                               lemore_error* error);

/* Resizes the image to the input's size, normalises it, runs the network. Errors: LEMORE_INVALID_ARGUMENT. */
LEMORE_API lemore_code lemore_session_run_image(lemore_session* session, const lemore_image* image,
                                                lemore_error* error);
/* Runs on the window of the input's size at (top, left) of the image, without resizing. */
LEMORE_API lemore_code lemore_session_run_window(lemore_session* session, const lemore_image* image, int top, int left,
                                                 lemore_error* error);
/* Runs on prepared floats, [1, 3, height, width], red first: `elements` must be 3 * height * width of the session. NaN
 * and infinities are computed with, not refused. The floating-point environment is never changed. */
LEMORE_API lemore_code lemore_session_run_tensor(lemore_session* session, const float* nchw, size_t elements,
                                                 lemore_error* error);
/* The last run's logits, valid until the next run or resize. Errors: LEMORE_INVALID_ARGUMENT before the first run. */
LEMORE_API lemore_code lemore_session_logits(const lemore_session* session, lemore_tensor* logits, lemore_error* error);
/* The last run's label map at any size, and where `confidence` is not NULL each pixel's probability. Allocates where
 * the map is larger than any before. Classes whose logit is NaN are passed over; where none has a number, label and
 * confidence are 0. Errors: LEMORE_INVALID_ARGUMENT, LEMORE_UNSUPPORTED for a classifier. */
LEMORE_API lemore_code lemore_session_label_map(lemore_session* session, const lemore_labels* labels,
                                                const lemore_confidence* confidence, lemore_error* error);
/* Makes room for label maps of up to this size. */
LEMORE_API lemore_code lemore_session_reserve_labels(lemore_session* session, int height, int width,
                                                     lemore_error* error);

/* Name of the index-th stage in the order of computation ("stem", ..., "output"); NULL behind the last. */
LEMORE_API const char* lemore_session_stage_name(const lemore_session* session, size_t index);
/* A stage of the last run. Requires keep_stages, but for "output". Errors: LEMORE_NOT_FOUND, LEMORE_INVALID_ARGUMENT
 * before the first run. */
LEMORE_API lemore_code lemore_session_stage(const lemore_session* session, const char* name, lemore_tensor* stage,
                                            lemore_error* error);
/* Called after each stage of a run of a session with keep_stages; may overwrite the elements, dense and channels last.
 * NULL: nobody. */
typedef void (*lemore_stage_observer)(void* context, const char* name, const size_t* shape, int rank, float* elements);
LEMORE_API lemore_code lemore_session_set_stage_observer(lemore_session* session, lemore_stage_observer observer,
                                                         void* context, lemore_error* error);

typedef struct lemore_step {
  size_t struct_size;
  const char* name; /* the module it computes, as in the PyTorch state dict */
  const char* op;
  int rank;
  size_t shape[LEMORE_MAX_RANK]; /* of its output */
  uint64_t macs;
  int is_counted;      /* whether the paper's MAC count has them */
  double milliseconds; /* of the last run with profiling, else 0 */
} lemore_step;

/* Turns timing of steps on (not 0) or off. */
LEMORE_API lemore_code lemore_session_set_profiling(lemore_session* session, int is_on, lemore_error* error);
/* Step `index` as it is run; its strings are valid until resize. Errors: LEMORE_NOT_FOUND. */
LEMORE_API lemore_code lemore_session_get_step(const lemore_session* session, size_t index, lemore_step* step,
                                               lemore_error* error);

/* ---- Segmenters: from an image of any size to its label map ---- */

typedef struct lemore_segmenter lemore_segmenter;

typedef enum lemore_mode {
  LEMORE_WHOLE = 0, /* the image is resized to the model's input size */
  LEMORE_KEEP = 1,  /* the network runs at the image's own size */
  LEMORE_SLIDE = 2  /* windows of the input size; logits summed and divided by their count */
} lemore_mode;

typedef struct lemore_segmenter_options {
  size_t struct_size;
  int mode;                        /* a lemore_mode */
  int stride_height, stride_width; /* slide; both 0: two thirds of the window */
  int threads;                     /* as lemore_session_options, like the next three */
  lemore_parallel_for parallel_for;
  const char* isa;
  lemore_allocator allocator;
  /* slide: called after each window, on the calling thread; 0 cancels. NULL: nobody asks. */
  int (*progress)(void* context, size_t done, size_t total);
  void* progress_context;
  void* arena;        /* memory for every image, aligned to 64 bytes; NULL: the segmenter gets it */
  size_t arena_bytes; /* at least lemore_segmenter_arena_bytes(...) for each image */
} lemore_segmenter_options;

/* Exact bytes of the arena that a segmenter with these options needs for images of this size; for several sizes the
 * largest of their figures. Errors: as lemore_segmenter_create; LEMORE_INVALID_SHAPE (keep, slide: image too small or
 * too large). */
LEMORE_API lemore_code lemore_segmenter_arena_bytes(const lemore_model* model, const lemore_segmenter_options* options,
                                                    int height, int width, size_t* bytes, lemore_error* error);

/* Errors: as lemore_session_create; LEMORE_UNSUPPORTED for a classifier. */
LEMORE_API lemore_code lemore_segmenter_create(const lemore_model* model, const lemore_segmenter_options* options,
                                               lemore_segmenter** segmenter, lemore_error* error);
LEMORE_API void lemore_segmenter_free(lemore_segmenter* segmenter);
/* Writes the label map of `image` at its own size, and where `confidence` is not NULL each pixel's probability.
 * Errors: LEMORE_INVALID_ARGUMENT, LEMORE_INVALID_SHAPE (keep, slide: image too small or too large),
 * LEMORE_OUT_OF_MEMORY, LEMORE_CANCELLED. */
LEMORE_API lemore_code lemore_segmenter_segment(lemore_segmenter* segmenter, const lemore_image* image,
                                                const lemore_labels* labels, const lemore_confidence* confidence,
                                                lemore_error* error);
/* The segmenter's session, for its logits, steps and information; the segmenter's, never to be freed. NULL for NULL. */
LEMORE_API lemore_session* lemore_segmenter_session(lemore_segmenter* segmenter);

typedef struct lemore_times {
  size_t struct_size;
  double prepare_ms, network_ms, labels_ms; /* of the last call */
} lemore_times;

LEMORE_API lemore_code lemore_segmenter_get_times(const lemore_segmenter* segmenter, lemore_times* times,
                                                  lemore_error* error);

#ifdef __cplusplus
}
#endif

#include "lemore/pop_macros.h"

#endif /* LEMORE_LEMORE_H */
