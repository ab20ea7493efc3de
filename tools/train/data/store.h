/* Private to this folder: the audio of training data, decoded, and kept in memory as far as it fits.
 *
 * Nothing is ever thrown out for something newer: an epoch reads every file once, and of a cycle that is too long a
 * cache of the most recent would keep nothing that is asked for next. Samples that are whole 16-bit numbers are kept as
 * such, all others as floats, so what is read again has the same bits. */
#ifndef TOOLS_TRAIN_DATA_STORE_H
#define TOOLS_TRAIN_DATA_STORE_H

#include <pthread.h>

#include "engine/memory.h"
#include "tools/common/table.h"
#include "tools/train/data/data.h"

typedef struct train_kept {
    void *samples; /* int16_t or float, 16 kHz mono; NULL: not kept */
    size_t count;
    bool narrow; /* int16_t */
} train_kept;

struct train_data_store {
    tool_table table;  /* strings of the examples */
    eng_arena strings; /* others */
    float *votes;      /* [examples, classes] or NULL */
    pthread_mutex_t lock;
    train_kept *kept;             /* [examples], by the lock: an entry changes once */
    size_t examples, used, limit; /* bytes */
};

/* NULL when out of memory. */
train_data_store *train_store_new(void);
void train_store_free(train_data_store *s);

/* Lets the store keep `bytes` of decoded audio, or more where more was allowed before. */
void train_store_allow(train_data_store *s, size_t bytes);

/* Decodes an example's file and keeps it where there is room; *samples: how many there are at 16 kHz. From any thread.
 */
eng_status train_store_measure(const train_data *d, size_t example, size_t *samples, eng_error *err);

/* Samples first .. first + count - 1 of a scanned example, 16 kHz mono: from memory, else from its file, which is kept
 * where there is room. ENG_E_MISMATCH when the file has another length than when it was scanned. *out is from
 * eng_alloc. From any thread. */
eng_status train_store_read(const train_data *d, size_t example, size_t first, size_t count, float **out,
                            eng_error *err);

#endif
