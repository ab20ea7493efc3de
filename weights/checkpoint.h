/* Checkpoints on disk: safetensors, torch zip archives (pytorch_model.bin, Microsoft's .pt). A checkpoint is a list of
 * named tensors in a memory-mapped file, bounds-checked once at open; what the names mean is the model's business.
 * Definitions: the safetensors format (huggingface/safetensors README), torch.save's zip layout (archive/data.pkl and
 * archive/data/N, pickle protocol 2 or higher, persistent ids ('storage', type, key, location, numel)). */
#ifndef WEIGHTS_CHECKPOINT_H
#define WEIGHTS_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "kernels/kernels.h"
#include "weights/value.h"

typedef enum wts_dtype {
    WTS_F32, WTS_F16, WTS_BF16, WTS_F64,
    WTS_I64, WTS_I32, WTS_I16, WTS_I8, WTS_U8, WTS_BOOL8,
    WTS_OTHER /* any dtype that only has to be stepped over */
} wts_dtype;

enum { WTS_MAX_DIMS = 8 };

typedef struct wts_tensor {
    const char *name; /* as in the file */
    wts_dtype dtype;
    const char *dtype_name; /* as in the file, for messages: "F32", "FloatStorage" */
    size_t ndim;
    size_t shape[WTS_MAX_DIMS];
    size_t count;       /* product of shape */
    const void *data;   /* in the mapping, or a copy in row-major order; may be unaligned; little-endian */
    size_t bytes;       /* 0 with data NULL for WTS_OTHER of unknown size */
    bool contiguous;    /* torch views with other strides are copied, up to the file's size in all; false: one beyond
                           that, which repeats elements (data is NULL, and reading it is an error) */
    bool copied;        /* data is such a copy */
    bool mapped;        /* data lies in a mapped file */
} wts_tensor;

typedef enum wts_container { WTS_SAFETENSORS, WTS_TORCH_ZIP } wts_container;

typedef struct wts_checkpoint {
    char *path;
    wts_container container;
    size_t count;
    wts_tensor *tensors;   /* in file order */
    const wts_value *extra; /* torch: the pickled root with tensors left out (Microsoft's {"cfg": ...}); safetensors:
                               the __metadata__ dict; may be NULL */
    struct wts_store *store; /* private */
} wts_checkpoint;

/* Opens the checkpoint file at path, by its content, not its name; the index of a sharded checkpoint too. A torch zip's
 * tensors are those of its root dict's "model", "state_dict" or "model_state_dict" if that is a dict with tensors, else
 * those of the root itself. The pickle reader builds values and tensor references only and runs no code: objects of
 * other classes are stepped over, and where one stands for a tensor it is listed as WTS_OTHER. A legacy (non-zip) torch
 * file, a tar, a pickle, an HTML page or a Git-LFS pointer instead of a checkpoint gets an error that names what it is
 * and what to do. On failure *c holds nothing. */
eng_status wts_checkpoint_open(const char *path, wts_checkpoint *c, eng_error *err);

/* Opens a sharded checkpoint, given its model.safetensors.index.json: {"weight_map": {tensor: file}}, files being plain
 * names in the index's folder. Only the tensors of the map are listed; each must be in its file. */
eng_status wts_checkpoint_open_sharded(const char *index_path, wts_checkpoint *c, eng_error *err);

/* As wts_checkpoint_open for a file that lies in memory, in which the tensors' data stay: size bytes at data are the
 * caller's and outlive c. name is used in messages and becomes c->path. Sharded checkpoints are refused. */
eng_status wts_checkpoint_open_memory(const char *name, const void *data, size_t size, wts_checkpoint *c,
                                      eng_error *err);

/* Frees everything that c holds; a zeroed or closed c is fine. */
void wts_checkpoint_close(wts_checkpoint *c);

/* NULL when there is none of that name. */
const wts_tensor *wts_checkpoint_find(const wts_checkpoint *c, const char *name);

/* Converts elements [first, first + count) of t (F32, F16, BF16 or F64, contiguous) to f32, with k's conversions.
 * The tensor may lie unaligned. Errors, naming the tensor: another dtype or layout, a range outside the tensor. */
eng_status wts_tensor_read_f32(const wts_tensor *t, const kern_table *k, size_t first, size_t count, float *out,
                               eng_error *err);

/* Tells the system that t's whole pages of the mapping are not needed any more (they can be read again). Does
 * nothing for a checkpoint in memory. */
void wts_tensor_drop_pages(const wts_tensor *t);

/* "F32[1024, 512]" into buffer, for messages and listings. Returns buffer. */
const char *wts_tensor_describe(const wts_tensor *t, char *buffer, size_t size);

/* ---- Writing safetensors ----
 * Data goes to PATH.part as it comes; finish writes the header into space reserved in front of it and renames, so that
 * PATH is either the whole new file or what it was before. */
typedef struct wts_writer wts_writer;

/* expected_tensors and expected_name_bytes (sum of the names' lengths) size the reserved header; more than that is
 * still written correctly, at the price of copying the data once. metadata: pairs of strings ended by NULL, or NULL. */
eng_status wts_writer_open(const char *path, size_t expected_tensors, size_t expected_name_bytes,
                           const char *const *metadata, wts_writer **w, eng_error *err);

/* Appends one tensor of dtype WTS_F32, WTS_F16, WTS_BF16, WTS_F64, WTS_I64, WTS_I32 or WTS_I8. A name may occur once. */
eng_status wts_writer_add(wts_writer *w, const char *name, wts_dtype dtype, size_t ndim, const size_t *shape,
                          const void *data, eng_error *err);

/* For data that comes in pieces: begin, then exactly the tensor's bytes in any number of append calls. */
eng_status wts_writer_begin(wts_writer *w, const char *name, wts_dtype dtype, size_t ndim, const size_t *shape,
                            eng_error *err);
eng_status wts_writer_append(wts_writer *w, const void *data, size_t bytes, eng_error *err);

/* Writes what finish would, so that only its rename is left; PATH stays as it was. Nothing may be added afterwards. */
eng_status wts_writer_complete(wts_writer *w, eng_error *err);

/* Completes the file, unless that was done, and renames it; frees w in any case. */
eng_status wts_writer_finish(wts_writer *w, eng_error *err);

/* Removes the unfinished file and frees w; NULL is fine. */
void wts_writer_abandon(wts_writer *w);

/* Makes renames in the folder of path durable; a file system that cannot is not a failure. */
void wts_sync_folder(const char *path);

#endif
