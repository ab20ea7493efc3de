/* What is trained on: a list, or MSP-Podcast as it is distributed. */
#ifndef TOOLS_TRAIN_DATA_H
#define TOOLS_TRAIN_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/threads.h"

enum { TRAIN_ATTRIBUTES = 3 };
#define TRAIN_NO_LABEL SIZE_MAX

/* MSP-Podcast has three test sets. */
typedef enum train_split { TRAIN_TRAIN, TRAIN_DEV, TRAIN_TEST, TRAIN_TEST1, TRAIN_TEST2, TRAIN_TEST3, TRAIN_SPLITS } train_split;

/* "train", "dev", "test", "test1", ... */
const char *train_split_name(train_split s);

typedef struct train_example {
    const char *file, *path;            /* as listed; what to open */
    size_t line;                        /* in the list */
    train_split split;
    size_t label;                       /* index in classes; TRAIN_NO_LABEL: none */
    float attribute[TRAIN_ATTRIBUTES];  /* arousal, dominance, valence, as listed; NaN: none */
    const float *votes;                 /* [classes], summing to 1; NULL: none */
    int gender;                         /* 0 female, 1 male, -1 unknown */
    const char *speaker, *text;         /* "" where there is none */
    size_t samples;                     /* at 16 kHz; known after train_data_scan */
    bool broken;                        /* found by train_data_scan */
} train_example;

typedef struct train_data_options {
    const char *path;        /* a list; MSP-Podcast's labels_consensus.csv, or the folder with it */
    const char *audio;       /* folder that paths are relative to; NULL: the list's folder (MSP: its Audios) */
    const char *dev_speakers, *test_speakers; /* names divided by commas that move to that split; NULL: as listed */
    bool attributes;         /* arousal, dominance, valence are wanted: rows without them are dropped */
    bool votes;              /* soft labels are wanted: the columns that bear a class's name */
    size_t classes;          /* fixed by the model; 0: those of the data, sorted (MSP: the corpus's order) */
    const char *const *class_names;
} train_data_options;

typedef struct train_data_store train_data_store;

typedef struct train_data {
    size_t count;
    train_example *example; /* in the order of the list */
    size_t classes;
    const char **class_name;
    size_t dropped;         /* rows without agreement (X), with another emotion (O), or without labels (Test3) */
    bool msp;
    train_data_store *store;
} train_data;

/* Reads the list. Errors name file and line: an emotion that is not among the model's classes, an unknown split or gender,
 * a number that is none, a missing column, no training rows. *out is the caller's to free. */
eng_status train_data_load(const train_data_options *o, train_data *out, eng_error *err);
void train_data_free(train_data *d);

/* Looks at every file: sets samples, or broken with a message to report (once a file: report(arg, message)). Files are
 * read on several threads. min_samples: shorter is broken too. Returns how many are broken. */
size_t train_data_scan(train_data *d, size_t threads, size_t min_samples, void (*report)(void *arg, const char *message),
                       void *arg);

#endif
