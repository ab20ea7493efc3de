/* What is trained on: a list, or MSP-Podcast as it is distributed.
 *
 * A list is CSV or TSV (tools/common/table.h). Its columns, whatever the case, and of several the first named here:
 * - file, path, FileName: the audio
 * - emotion, EmoClass, label: a class
 * - split, Split_Set: train | training, dev | development | validation | val, test, test1, test2, test3; without the
 *   column everything is train
 * - gender: female | f, male | m; empty or unknown: unknown
 * - speaker, SpkrID
 * - text, transcript
 * - arousal, EmoAct; dominance, EmoDom; valence, EmoVal
 * - columns that bear a class's name: shares or counts of the raters' votes. Without an emotion column the class with
 *   the most votes is the label, the first of equals.
 *
 * Emotions are compared with the model's classes whatever the case.
 *
 * MSP-Podcast is known by its header (FileName, EmoClass, Split_Set), or FileName, Split_Set and its eight classes as
 * columns. Its classes are coded A S H U F D C N; rows with X (no agreement) and O (another emotion) are dropped, and
 * those of Test3, whose labels are kept back. A speaker "Unknown" is none.
 *
 * Where attributes are wanted an emotion is not needed: rows without one, or with X or O, stay, with TRAIN_NO_LABEL,
 * and so do those with an emotion that the model does not know. */
#ifndef TOOLS_TRAIN_DATA_DATA_H
#define TOOLS_TRAIN_DATA_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/ranks/ranks.h"

enum { TRAIN_ATTRIBUTES = 3 };
#define TRAIN_NO_LABEL SIZE_MAX

/* MSP-Podcast has three test sets. */
typedef enum train_split {
    TRAIN_TRAIN,
    TRAIN_DEV,
    TRAIN_TEST,
    TRAIN_TEST1,
    TRAIN_TEST2,
    TRAIN_TEST3,
    TRAIN_SPLITS
} train_split;

/* "train", "dev", "test", "test1", ... */
const char *train_split_name(train_split s);

typedef struct train_example {
    const char *file, *path; /* as listed; what to open */
    size_t line;             /* in the list */
    train_split split;
    size_t label;                      /* index in classes; TRAIN_NO_LABEL: none */
    float attribute[TRAIN_ATTRIBUTES]; /* arousal, dominance, valence, as listed; NaN: none */
    const float *votes;                /* [classes], summing to 1; NULL: none */
    int gender;                        /* 0 female, 1 male, -1 unknown */
    const char *speaker, *text;        /* "" where there is none */
    size_t samples;                    /* at 16 kHz; known after train_data_scan */
    bool broken;                       /* found by train_data_scan */
} train_example;

typedef struct train_data_options {
    const char *path;  /* a list; MSP-Podcast's labels_consensus.csv, or the folder with it */
    const char *audio; /* folder that paths are relative to; NULL: the list's folder (MSP: its Audios) */
    const char *dev_speakers, *test_speakers; /* names divided by commas that move to that split; NULL: as listed */
    bool attributes; /* arousal, dominance, valence are wanted: rows without them are dropped */
    bool votes;      /* soft labels are wanted: the columns that bear a class's name */
    size_t classes;  /* fixed by the model; 0: those of the data, sorted (MSP: the corpus's order) */
    const char *const *class_names;
    size_t cache_bytes; /* decoded audio that train_data_scan keeps for the feeds, at most; 0: none */
} train_data_options;

typedef struct train_data_store train_data_store;

typedef struct train_data {
    size_t count;
    train_example *example; /* in the order of the list */
    size_t classes;
    const char **class_name;
    size_t dropped; /* rows without agreement (X), with another emotion (O), without labels (Test3) or attributes */
    bool msp;
    train_data_store *store;
} train_data;

/* The list has a column of that name, whatever the case. */
bool train_data_has_column(const train_data *d, const char *name);

/* Reads the list. Errors name file and line: an emotion that is not among the model's classes, an unknown split or
 * gender, a number that is none, a missing column, a speaker to be moved that is not there, no training rows. What o
 * points to is not needed afterwards. *out is the caller's to free. */
eng_status train_data_load(const train_data_options *o, train_data *out, eng_error *err);
void train_data_free(train_data *d);

/* Decodes every file: sets samples, or broken with a message to report (once an example, in the list's order, on the
 * caller's thread: report(arg, message); report may be NULL). The ranks take turns at the files, one each, on several
 * threads (0: one per CPU), and all know of all then; what was decoded is kept for this rank's feeds as far as cache_bytes
 * allow. min_samples: shorter is broken too. *broken: how many are. Error: a file that one rank cannot read and another
 * can; out of memory. */
eng_status train_data_scan(train_data *d, eng_ranks *ranks, size_t threads, size_t min_samples,
                           void (*report)(void *arg, const char *message), void *arg, size_t *broken, eng_error *err);

#endif
