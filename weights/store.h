/* Inside of a wts_checkpoint: what the readers of the containers fill. */
#ifndef WEIGHTS_STORE_H
#define WEIGHTS_STORE_H

#include "engine/memory.h"
#include "weights/checkpoint.h"
#include "weights/doc.h"
#include "weights/mapping.h"
#include "weights/names_index.h"

typedef struct wts_store {
    eng_arena arena; /* copied names */
    size_t mapping_count;
    wts_mapping *mappings; /* one a shard */
    size_t doc_count;
    wts_doc **docs;      /* they hold names and c->extra; the store frees them */
    size_t tensor_space; /* of c->tensors */
    wts_index index;     /* of the tensors' names, once all are there */
} wts_store;

/* Appends t to c->tensors. */
eng_status wts_store_add_tensor(wts_checkpoint *c, const wts_tensor *t, eng_error *err);

/* Makes the store the owner of doc, which is freed here on failure. */
eng_status wts_store_adopt_doc(wts_checkpoint *c, wts_doc *doc, eng_error *err);

/* Copies length bytes of text and a NUL into the store's arena; NULL when out of memory. */
const char *wts_store_text(wts_checkpoint *c, const char *text, size_t length);

/* The readers. path is for messages; m outlives c. They append tensors (data inside m, checked) and set c->container
 * and c->extra; on failure c is closed by the caller. */
eng_status wts_safetensors_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err);
eng_status wts_torch_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err);

/* Reads m by whichever of the two its content asks for; wts_fail_foreign when by neither. */
eng_status wts_container_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err);

/* Reads the shards that the index (JSON at c->path, parsed in doc, which the store owns) names. */
eng_status wts_shards_read(const wts_value *index, wts_checkpoint *c, eng_error *err);

/* Fails with a message that says what kind of file this is, as it is no checkpoint, and what to do. */
eng_status wts_fail_foreign(const char *path, const wts_mapping *m, eng_error *err);

/* Bytes of one element; 0 for WTS_OTHER. */
size_t wts_dtype_size(wts_dtype dtype);

#endif
