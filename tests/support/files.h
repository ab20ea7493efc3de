/* Building and damaging checkpoint files in memory, for the tests of weights/. */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/checkpoint.h"

/* A growing block of bytes. */
typedef struct bytes {
    unsigned char *data;
    size_t size, space;
} bytes;

void bytes_add(bytes *b, const void *data, size_t size);
void bytes_text(bytes *b, const char *text);
void bytes_uint(bytes *b, uint64_t value, int count); /* little-endian */
void bytes_free(bytes *b);

/* The whole file. */
bytes bytes_read(const char *path);
void bytes_write(const bytes *b, const char *path);

/* A safetensors file: the header's length, the header, data_size bytes 0, 1, 2, ... */
bytes file_safetensors(const char *header, size_t data_size);

/* ---- Zip ---- */
typedef struct zip_builder {
    bytes file, directory;
    size_t count;
    unsigned method; /* of the entries to come; 0 is stored */
} zip_builder;

void zip_add(zip_builder *z, const char *name, const void *data, size_t size);

/* Appends the directory and its end (ZIP64 if asked for, and a comment of that length); the file is the caller's. */
bytes zip_finish(zip_builder *z, bool zip64, size_t comment);

/* A torch archive "a/data.pkl" with that pickle and one record a/data/0 of record_size bytes 0, 1, 2, ... */
bytes file_torch(const bytes *pickle, size_t record_size);

/* ---- Pickles ---- */
void pickle_text(bytes *p, const char *text);
void pickle_int(bytes *p, int64_t value);
void pickle_global(bytes *p, const char *module, const char *name);
void pickle_tensor(bytes *p, const char *storage, const char *key, int64_t count, int64_t offset, int ndim,
                   const int64_t *shape, const int64_t *stride);

/* ---- Checking ---- */
/* Opens a copy of exactly size bytes as "hostile.bin". Whatever the bytes: the result is an error of one line that
 * names the file, or a checkpoint whose every tensor lies inside the copy and can be read. Returns the status. */
eng_status file_check(const void *data, size_t size, const kern_table *k, eng_error *err);

/* file_check over truncations of the file (every length near its ends, `steps` between) and over `flips` copies with 1
 * to 4 damaged bytes, mostly among the first head and the last tail bytes. Counts what was accepted. */
typedef struct damage {
    size_t cases, accepted;
} damage;
damage file_damage(const bytes *file, size_t head, size_t tail, size_t steps, size_t flips, const kern_table *k);

#endif
