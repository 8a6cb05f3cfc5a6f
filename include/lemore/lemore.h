/* lemore in C: everything a program needs, in C99.
 *
 * Handles        lemore_model, lemore_session, lemore_segmenter and lemore_pool are opaque. Free each handle that you
 *                create; freeing NULL does nothing. A model may be freed while sessions use it: its weights live until
 *                the last session is freed.
 * Errors         A function that can fail returns a lemore_code. If `error` is not NULL, it also writes the code and
 *                one line of text there; on success these are LEMORE_OK and an empty text. Results are written only on
 *                success, except that the handle to be created becomes NULL on failure. Passing NULL where an object
 *                is expected gives LEMORE_INVALID_ARGUMENT. Nothing prints, aborts or throws.
 * Options        Structs that begin with `struct_size` may get more fields at their end in later versions. Set the
 *                whole struct to zero, then struct_size to its size: zero means the default in every field. A struct
 *                from a later version is accepted if the fields unknown to this library are zero. NULL instead of a
 *                struct means all defaults.
 *                    lemore_session_options options = {0};
 *                    options.struct_size = sizeof options;
 * Information    Structs that begin with `struct_size` are filled up to that size.
 * Strings        UTF-8 and zero-terminated. Strings that are handed out belong to a handle and live as long as it.
 * Threads        Any number of threads may use a model at once. Any other handle serves one thread at a time.
 * Memory         Images, label maps and tensors belong to the caller and are not used after the call.
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
  LEMORE_INVALID_ARGUMENT = 1, /* a parameter of the call is wrong */
  LEMORE_INVALID_SHAPE = 2,    /* a tensor or image has the wrong size */
  LEMORE_INVALID_FILE = 3,     /* bytes from outside are not what they should be */
  LEMORE_UNSUPPORTED = 4,      /* well-formed, but this build or CPU cannot do it */
  LEMORE_NOT_FOUND = 5,        /* there is nothing of that name or index */
  LEMORE_IO_ERROR = 6,         /* the operating system reported an error */
  LEMORE_OUT_OF_MEMORY = 7,
  LEMORE_CANCELLED = 8
} lemore_code;

/* What went wrong; the struct belongs to the caller. A longer text is cut at the end of a character. */
typedef struct lemore_error {
  lemore_code code;
  char message[256];
} lemore_error;

/* The name of a code, for instance "ok" or "invalid_argument"; "unknown" for other values. Never NULL. */
LEMORE_API const char* lemore_code_name(int code);

/* The version of the library that is loaded, for instance "0.1.0". Never NULL. */
LEMORE_API const char* lemore_version(void);

/* The name of the index-th instruction set that this library was built with and this CPU can run, best first
 * ("avx512", "avx2", "neon", "portable"); NULL after the last. */
LEMORE_API const char* lemore_supported_isa(size_t index);
/* The name of the index-th instruction set that this library was built with; NULL after the last. */
LEMORE_API const char* lemore_built_isa(size_t index);

/* Number of cores this process may use, at least 1: limited by its CPU affinity and its cgroups' quotas. */
LEMORE_API int lemore_default_threads(void);

/* ---- Threads ---- */

/* One piece of work: task 0..tasks - 1. */
typedef void (*lemore_task)(void* task_context, int task);

/* The caller's threads. `run` must call body(body_context, i) exactly once for every i in 0..tasks - 1, on any threads
 * and in any order, and must return when all calls have returned. lemore passes at most `workers` tasks. */
typedef struct lemore_parallel_for {
  void (*run)(void* context, int tasks, lemore_task body, void* body_context);
  void* context;
  int workers; /* at least 1 */
} lemore_parallel_for;

/* Threads that sleep while there is no work. A session makes its own; a pool is shared by sessions that take turns. */
typedef struct lemore_pool lemore_pool;

/* A pool of `threads` threads, of which the caller's is one; 0 means lemore_default_threads(). If the system refuses to
 * start more threads, the pool has fewer. */
LEMORE_API lemore_code lemore_pool_create(int threads, lemore_pool** pool, lemore_error* error);
/* Requires that no session uses the pool any more. */
LEMORE_API void lemore_pool_free(lemore_pool* pool);
/* What to put into the options; all zero for NULL. Valid while the pool lives. The pool serves one caller at a time: a
 * second one runs on its own thread alone. */
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

/* Where lemore writes one class index per pixel. Row y starts at data + y * row_bytes. */
typedef struct lemore_labels {
  uint8_t* data;
  int height, width;
  size_t row_bytes; /* at least width */
} lemore_labels;

/* Where lemore writes the probability of each pixel's class, 0..1. Row y starts at data + y * row_stride, counted in
 * elements. */
typedef struct lemore_confidence {
  float* data;
  int height, width;
  size_t row_stride; /* at least width */
} lemore_confidence;

#define LEMORE_MAX_RANK 8

/* Floats that belong to a session: dense and channels last, [1, h, w, c], or [1, classes] for a classifier's logits. */
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
  int copy;         /* not 0: read the file or copy the memory instead of using it in place */
  const char* name; /* what messages of lemore_model_from_memory call the file; NULL: "memory" */
} lemore_model_options;

/* Loads the weight file at `path` (format: weights/README.md). The file is mapped, and must not be truncated while the
 * model lives, unless options->copy is set.
 * Errors: LEMORE_IO_ERROR, LEMORE_INVALID_FILE (the text names the file and the field, what was expected and what was
 * found), LEMORE_UNSUPPORTED, LEMORE_OUT_OF_MEMORY. */
LEMORE_API lemore_code lemore_model_load(const char* path, const lemore_model_options* options, lemore_model** model,
                                         lemore_error* error);
/* Loads a weight file from `size` bytes at `data`. They are only read, and tensors on 64-byte boundaries are used in
 * place. The bytes must outlive the model and its sessions unless options->copy is set. */
LEMORE_API lemore_code lemore_model_from_memory(const void* data, size_t size, const lemore_model_options* options,
                                                lemore_model** model, lemore_error* error);
LEMORE_API void lemore_model_free(lemore_model* model);

/* With which arithmetic an image is resized. */
typedef enum lemore_resize_rule {
  LEMORE_BILINEAR = 0, /* in floats, half-pixel centres, no antialiasing */
  LEMORE_OPENCV = 1,   /* 8-bit pixels as cv2.resize with INTER_LINEAR gives them */
  LEMORE_PILLOW = 2    /* 8-bit pixels as Pillow's BILINEAR gives them, which antialiases */
} lemore_resize_rule;

/* To which size an image is resized. */
typedef enum lemore_size_rule {
  LEMORE_SIZE_EXACT = 0, /* the model's input size */
  LEMORE_SIZE_FIT = 1,   /* as large as fits into fit_long x fit_short, the ratio kept */
  LEMORE_SIZE_NATIVE = 2 /* its own */
} lemore_size_rule;

typedef struct lemore_model_info {
  size_t struct_size;
  const char* architecture;
  const char* config_json; /* the configuration as the file holds it: every value of the network's description */
  int height, width;       /* input the network was trained for */
  int is_classifier;       /* 1: the output is one row of logits, and there is no label map */
  size_t class_count;
  int ignore_label;        /* value for "no class" in annotations, or -1 */
  int annotation_offset;   /* added to a class index in annotations */
  const char* labels_name; /* of the label set; may be empty */
  float mean[3], std[3];   /* an image is normalised as (value - mean) / std, RGB, values 0..255 */
  int is_two_step;         /* 1: logits are resized to the input's size and then to the image's */
  const char* source;      /* provenance; any may be empty */
  const char* source_sha256;
  const char* license;
  const char* converter;
  const char* metrics_json;
  uint64_t trained_parameters; /* as the paper counts */
  uint64_t weight_bytes;
  int min_side; /* smallest height and width the network can run at */
  /* How the authors of the weights test; lemore_segmenter_create with mode `tested_mode` does the same. */
  int resize_rule;                 /* a lemore_resize_rule */
  int size_rule;                   /* a lemore_size_rule */
  int fit_long, fit_short;         /* LEMORE_SIZE_FIT: most pixels of the longer and of the shorter side, else 0 */
  int divisor;                     /* each side goes up to a multiple of this, in the same resize */
  int tested_mode;                 /* a lemore_mode; windows have the size height x width */
  int stride_height, stride_width; /* of windows; 0 where the authors use none */
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
/* Multiply-accumulates for one input of this size, counted as in the paper. Errors: LEMORE_INVALID_SHAPE. */
LEMORE_API lemore_code lemore_model_macs(const lemore_model* model, int height, int width, uint64_t* macs,
                                         lemore_error* error);

/* ---- Sessions: one network at one input size, with all the memory a run needs ---- */

typedef struct lemore_session lemore_session;

/* Supplies the large memory: activations, buffers of label maps, a segmenter's windows. It is called when a session is
 * created, resized and freed, and by a segmenter when an image needs more memory than before; never by a run. */
typedef struct lemore_allocator {
  void* (*allocate)(void* context, size_t bytes, size_t alignment); /* returns NULL if there is not enough */
  void (*release)(void* context, void* memory, size_t bytes);
  void* context;
} lemore_allocator;

typedef struct lemore_session_options {
  size_t struct_size;
  int height, width;                /* input; both 0: the model's own */
  int threads;                      /* of the session's own pool; 0: lemore_default_threads() */
  lemore_parallel_for parallel_for; /* the caller's threads, if `run` is not NULL */
  const char* isa;                  /* NULL: what LEMORE_ISA in the environment names, else the best */
  int keep_stages;                  /* not 0: every named stage can be read after a run */
  int no_fusion;                    /* not 0: compute each layer on its own; slower, the same bits */
  void* arena;                      /* memory for all activations, aligned to 64 bytes; NULL: allocated */
  size_t arena_bytes;               /* at least lemore_session_arena_bytes(...) */
  lemore_allocator allocator;       /* allocates the arena, if its functions are set and arena is NULL */
} lemore_session_options;

/* The exact size in bytes of the arena that a session with these options needs. Errors: as lemore_session_create. */
LEMORE_API lemore_code lemore_session_arena_bytes(const lemore_model* model, const lemore_session_options* options,
                                                  size_t* bytes, lemore_error* error);
/* Plans, allocates and starts threads, so that a run need not.
 * Errors: LEMORE_INVALID_SHAPE (less than the model's min_side or more than 16384 pixels a side), LEMORE_INVALID_ARGUMENT,
 * LEMORE_UNSUPPORTED (isa), LEMORE_OUT_OF_MEMORY. */
LEMORE_API lemore_code lemore_session_create(const lemore_model* model, const lemore_session_options* options,
                                             lemore_session** session, lemore_error* error);
LEMORE_API void lemore_session_free(lemore_session* session);
/* Plans again for another input size, with the same threads. After an error the session is as it was before. */
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

/* Resizes the image to the input size, normalises it and runs the network. Errors: LEMORE_INVALID_ARGUMENT. */
LEMORE_API lemore_code lemore_session_run_image(lemore_session* session, const lemore_image* image,
                                                lemore_error* error);
/* Runs the network on part of the image without resizing: the window of the input size at (top, left). */
LEMORE_API lemore_code lemore_session_run_window(lemore_session* session, const lemore_image* image, int top, int left,
                                                 lemore_error* error);
/* Runs the network on normalised floats [1, 3, height, width], red first. `elements` must be 3 * height * width of the
 * session. NaN and infinities are accepted and computed with. The floating-point environment is never changed. */
LEMORE_API lemore_code lemore_session_run_tensor(lemore_session* session, const float* nchw, size_t elements,
                                                 lemore_error* error);
/* The logits of the last run, valid until the next run or resize. Errors: LEMORE_INVALID_ARGUMENT before the first
 * run. */
LEMORE_API lemore_code lemore_session_logits(const lemore_session* session, lemore_tensor* logits, lemore_error* error);
/* Writes the label map of the last run at any size and, if `confidence` is not NULL, the probability of each pixel's
 * class. It allocates only if the map is larger than any before. Classes whose logit is NaN are skipped; where all are,
 * label and confidence are 0. Errors: LEMORE_INVALID_ARGUMENT, LEMORE_UNSUPPORTED for a classifier. */
LEMORE_API lemore_code lemore_session_label_map(lemore_session* session, const lemore_labels* labels,
                                                const lemore_confidence* confidence, lemore_error* error);
/* Allocates what label maps of up to this size need, so that lemore_session_label_map allocates nothing. */
LEMORE_API lemore_code lemore_session_reserve_labels(lemore_session* session, int height, int width,
                                                     lemore_error* error);

/* The name of the index-th stage in the order of computation ("stem", ..., "output"); NULL after the last. */
LEMORE_API const char* lemore_session_stage_name(const lemore_session* session, size_t index);
/* A stage of the last run. All but "output" require keep_stages.
 * Errors: LEMORE_NOT_FOUND, LEMORE_INVALID_ARGUMENT before the first run. */
LEMORE_API lemore_code lemore_session_stage(const lemore_session* session, const char* name, lemore_tensor* stage,
                                            lemore_error* error);
/* A function that a run calls after each stage, if the session keeps stages. It may overwrite the elements, which are
 * dense and channels last. Setting NULL removes it. */
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
  int is_counted;      /* whether the paper's MAC count includes them */
  double milliseconds; /* in the last run if profiling was on, else 0 */
} lemore_step;

/* Turns the timing of steps on (not 0) or off. */
LEMORE_API lemore_code lemore_session_set_profiling(lemore_session* session, int is_on, lemore_error* error);
/* The index-th step as it is run. Its strings are valid until resize. Errors: LEMORE_NOT_FOUND. */
LEMORE_API lemore_code lemore_session_get_step(const lemore_session* session, size_t index, lemore_step* step,
                                               lemore_error* error);

/* ---- Segmenters: from an image of any size to its label map ---- */

typedef struct lemore_segmenter lemore_segmenter;

typedef enum lemore_mode {
  LEMORE_WHOLE = 0,  /* the image is resized as the model says, mostly to its input size */
  LEMORE_NATIVE = 1, /* the network runs at the image's own size */
  LEMORE_SLIDE = 2,  /* the network runs on windows of the input size; overlapping logits are averaged */
  LEMORE_KEEP = 1    /* what LEMORE_NATIVE was called before */
} lemore_mode;

typedef struct lemore_segmenter_options {
  size_t struct_size;
  int mode;                        /* a lemore_mode */
  int stride_height, stride_width; /* slide; both 0: the model's own, or else two thirds of the window */
  int threads;                     /* this and the next three are as in lemore_session_options */
  lemore_parallel_for parallel_for;
  const char* isa;
  lemore_allocator allocator;
  /* Mode slide: called after each window, on the calling thread. Return 0 to cancel. May be NULL. */
  int (*progress)(void* context, size_t done, size_t total);
  void* progress_context;
  void* arena;        /* memory for all buffers, aligned to 64 bytes; NULL: allocated */
  size_t arena_bytes; /* at least lemore_segmenter_arena_bytes(...) for each image */
} lemore_segmenter_options;

/* The exact size in bytes of the arena that a segmenter with these options needs for images of this size; for several
 * sizes take the largest.
 * Errors: as lemore_segmenter_create; LEMORE_INVALID_SHAPE if the image is too small or too large for native or slide. */
LEMORE_API lemore_code lemore_segmenter_arena_bytes(const lemore_model* model, const lemore_segmenter_options* options,
                                                    int height, int width, size_t* bytes, lemore_error* error);

/* Errors: as lemore_session_create; LEMORE_UNSUPPORTED for a classifier. */
LEMORE_API lemore_code lemore_segmenter_create(const lemore_model* model, const lemore_segmenter_options* options,
                                               lemore_segmenter** segmenter, lemore_error* error);
LEMORE_API void lemore_segmenter_free(lemore_segmenter* segmenter);
/* Writes the label map of `image` at its own size and, if `confidence` is not NULL, the probability of each pixel's
 * class. Errors: LEMORE_INVALID_ARGUMENT, LEMORE_INVALID_SHAPE (image too small or too large for native or slide),
 * LEMORE_OUT_OF_MEMORY, LEMORE_CANCELLED. */
LEMORE_API lemore_code lemore_segmenter_segment(lemore_segmenter* segmenter, const lemore_image* image,
                                                const lemore_labels* labels, const lemore_confidence* confidence,
                                                lemore_error* error);
/* The segmenter's session, for its logits, steps and information. It belongs to the segmenter: do not free it. NULL for
 * NULL. */
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
