/* Converted checkpoints: safetensors whose weights lie as packed panels (engine/gemm/gemm.h), ready to be multiplied with
 * where they are mapped. README.md has the format. */
#ifndef WEIGHTS_PANELS_H
#define WEIGHTS_PANELS_H

#include "engine/error.h"
#include "engine/gemm/precision.h"
#include "weights/checkpoint.h"

enum { WTS_PANELS_VERSION = 1, WTS_PANELS_MAX_WIDTH = 4096 };

typedef struct wts_panels {
    bool present; /* false: an ordinary checkpoint */
    eng_precision precision;
    size_t width; /* outputs of a panel */
} wts_panels;

/* What the file's metadata say. Error, naming the file: another version, a precision or width that is none. */
eng_status wts_panels_read(const wts_checkpoint *c, wts_panels *out, eng_error *err);

/* The metadata of such a file, for wts_writer_open: pairs of strings ended by NULL, which live as long as *text. */
typedef struct wts_panels_metadata {
    char version[24], width[24];
    const char *pairs[9];
} wts_panels_metadata;

void wts_panels_describe(eng_precision precision, size_t width, wts_panels_metadata *text);

/* How a unit's elements lie in a file: eng_precision_group of this dtype. */
wts_dtype wts_panels_dtype(eng_precision precision);

#endif
