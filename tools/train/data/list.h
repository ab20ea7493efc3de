/* Private to the reading of training lists (load.c, list.c, classes.c, msp.c). */
#ifndef TOOLS_TRAIN_DATA_LIST_H
#define TOOLS_TRAIN_DATA_LIST_H

#include "engine/memory.h"
#include "tools/common/table.h"
#include "tools/train/data/data.h"

#define TRAIN_NO_COLUMN SIZE_MAX

/* What columns mean. */
typedef enum train_role {
    ROLE_FILE,
    ROLE_EMOTION,
    ROLE_SPLIT,
    ROLE_GENDER,
    ROLE_SPEAKER,
    ROLE_TEXT,
    ROLE_AROUSAL, /* and the two others behind it, in the order of train_example.attribute */
    ROLE_DOMINANCE,
    ROLE_VALENCE,
    ROLES
} train_role;

/* A list that is being read. */
typedef struct train_list {
    const train_data_options *options;
    const char *path;  /* the list's own */
    const char *audio; /* folder of the audio, "" for the current one */
    const tool_table *table;
    eng_arena *strings;   /* live as long as the data */
    size_t column[ROLES]; /* TRAIN_NO_COLUMN where there is none */
    bool msp;
    const char **emotion; /* [examples] the class's name as listed, "" for none; NULL: no emotion column */
    size_t *row;          /* [examples] in the table */
} train_list;

/* The column of that name, whatever the case. */
size_t train_list_find(const tool_table *t, const char *name);

/* The row's cell for that role, "" without such a column. */
const char *train_list_cell(const train_list *l, size_t row, train_role role);

/* Reads a finite number from the cell. ENG_E_FORMAT with file, line and the column's name. */
eng_status train_list_number(const train_list *l, size_t row, size_t column, float *out, eng_error *err);

/* folder/file in arena memory, folder "" being the current one; NULL when out of memory. A file named "-" is not
 * standard input: "./-". */
const char *train_list_join(eng_arena *strings, const char *folder, const char *file);

/* Sets the classes of d, and label and votes of each example, from l->emotion and the table's columns. */
eng_status train_classes_set(train_data *d, const train_list *l, eng_error *err);

/* ---- MSP-Podcast ---- */
enum { TRAIN_MSP_CLASSES = 8 };
extern const char *const train_msp_class[TRAIN_MSP_CLASSES]; /* in the order of the Odyssey 2024 challenge */

/* Path of labels_consensus.csv in the corpus's folder or its Labels; ENG_E_MISSING where there is none. */
eng_status train_msp_find(const char *folder, eng_arena *strings, const char **out, eng_error *err);

/* Whether the header is that of the corpus's lists. */
bool train_msp_header(const tool_table *t);

/* The folder Audios beside the list or one above; ENG_E_MISSING where there is none. */
eng_status train_msp_audio(const char *list, eng_arena *strings, const char **out, eng_error *err);

/* The class's name for a code (or for the name itself); "" for X, O and an empty cell; NULL when it is none of them. */
const char *train_msp_emotion(const char *code);

#endif
