/* Rows of a list to examples. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tools/train/data/list.h"
#include "tools/train/data/store.h"

const char *train_split_name(train_split s)
{
    static const char *const names[TRAIN_SPLITS] = {"train", "dev", "test", "test1", "test2", "test3"};
    return names[s];
}

/* ---- Columns ---- */

enum { ROLE_NAMES = 3 };
static const char *const role_names[ROLES][ROLE_NAMES] = {
    [ROLE_FILE] = {"file", "path", "FileName"}, [ROLE_EMOTION] = {"emotion", "EmoClass", "label"},
    [ROLE_SPLIT] = {"split", "Split_Set"},      [ROLE_GENDER] = {"gender"},
    [ROLE_SPEAKER] = {"speaker", "SpkrID"},     [ROLE_TEXT] = {"text", "transcript"},
    [ROLE_AROUSAL] = {"arousal", "EmoAct"},     [ROLE_DOMINANCE] = {"dominance", "EmoDom"},
    [ROLE_VALENCE] = {"valence", "EmoVal"},
};

static eng_status find_columns(train_list *l, eng_error *err)
{
    for (size_t r = 0; r < ROLES; r++) {
        l->column[r] = TRAIN_NO_COLUMN;
        for (size_t n = 0; n < ROLE_NAMES && role_names[r][n] && l->column[r] == TRAIN_NO_COLUMN; n++)
            l->column[r] = train_list_find(l->table, role_names[r][n]);
    }
    if (l->column[ROLE_FILE] == TRAIN_NO_COLUMN)
        return eng_fail(err, ENG_E_MISSING, "%s: no column named file, path or FileName in its header", l->path);
    for (size_t r = ROLE_AROUSAL; l->options->attributes && r <= ROLE_VALENCE; r++)
        if (l->column[r] == TRAIN_NO_COLUMN)
            return eng_fail(err, ENG_E_MISSING, "%s: no column named %s or %s in its header, expected for attributes",
                            l->path, role_names[r][0], role_names[r][1]);
    if ((l->options->dev_speakers || l->options->test_speakers) && l->column[ROLE_SPEAKER] == TRAIN_NO_COLUMN)
        return eng_fail(err, ENG_E_MISSING,
                        "%s: no column named speaker or SpkrID in its header, expected for speakers "
                        "that move to another split",
                        l->path);
    return ENG_OK;
}

/* ---- The list's file ---- */

static bool has_extension(const char *name, const char *extension)
{
    const char *dot = strrchr(name, '.');
    return dot && strcasecmp(dot + 1, extension) == 0;
}

static eng_status read_table(train_list *l, tool_table *table, eng_error *err)
{
    struct stat info;
    l->path = l->options->path;
    if (stat(l->path, &info) == 0 && S_ISDIR(info.st_mode)) {
        eng_status status = train_msp_find(l->options->path, l->strings, &l->path, err);
        if (status) return status;
    }
    char separator = has_extension(l->path, "csv") ? ',' : has_extension(l->path, "tsv") ? '\t' : 0;
    if (!separator)
        return eng_fail(
            err, ENG_E_UNSUPPORTED,
            "%s: expected a list (.csv or .tsv), or the folder of MSP-Podcast with its labels_consensus.csv", l->path);
    return tool_table_read(l->path, separator, table, err);
}

static eng_status find_audio(train_list *l, eng_error *err)
{
    if (l->options->audio) {
        l->audio = l->options->audio;
        return ENG_OK;
    }
    if (l->msp) return train_msp_audio(l->path, l->strings, &l->audio, err);
    const char *slash = strrchr(l->path, '/');
    size_t length = slash ? (size_t)(slash - l->path) + 1 : 0;
    char *folder = eng_arena_alloc(l->strings, length + 1, 1);
    if (!folder) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", l->path);
    memcpy(folder, l->path, length);
    folder[length] = 0;
    l->audio = folder;
    return ENG_OK;
}

/* ---- Rows ---- */

static eng_status parse_split(const train_list *l, size_t row, train_split *out, eng_error *err)
{
    static const struct {
        const char *name;
        train_split split;
    } names[] = {{"train", TRAIN_TRAIN},    {"training", TRAIN_TRAIN}, {"dev", TRAIN_DEV},   {"development", TRAIN_DEV},
                 {"validation", TRAIN_DEV}, {"val", TRAIN_DEV},        {"test", TRAIN_TEST}, {"test1", TRAIN_TEST1},
                 {"test2", TRAIN_TEST2},    {"test3", TRAIN_TEST3}};
    const char *cell = train_list_cell(l, row, ROLE_SPLIT);
    *out = TRAIN_TRAIN;
    if (l->column[ROLE_SPLIT] == TRAIN_NO_COLUMN) return ENG_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(cell, names[i].name) == 0) {
            *out = names[i].split;
            return ENG_OK;
        }
    return eng_fail(err, ENG_E_FORMAT,
                    "%s: line %zu: split '%s', expected train, dev (development, validation, val), test, test1, test2 "
                    "or test3",
                    l->path, l->table->lines[row], cell);
}

static eng_status parse_gender(const train_list *l, size_t row, int *out, eng_error *err)
{
    const char *cell = train_list_cell(l, row, ROLE_GENDER);
    *out = -1;
    if (!*cell || strcasecmp(cell, "unknown") == 0) return ENG_OK;
    if (strcasecmp(cell, "female") == 0 || strcasecmp(cell, "f") == 0) *out = 0;
    if (strcasecmp(cell, "male") == 0 || strcasecmp(cell, "m") == 0) *out = 1;
    if (*out >= 0) return ENG_OK;
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: gender '%s', expected female, male, f, m, unknown or nothing",
                    l->path, l->table->lines[row], cell);
}

/* The example's attributes where they are wanted; *drop when one is missing. */
static eng_status parse_attributes(const train_list *l, size_t row, train_example *e, bool *drop, eng_error *err)
{
    for (size_t a = 0; a < TRAIN_ATTRIBUTES; a++) {
        train_role role = (train_role)(ROLE_AROUSAL + a);
        e->attribute[a] = NAN;
        if (!l->options->attributes) continue;
        if (!*train_list_cell(l, row, role)) {
            *drop = true;
            continue;
        }
        eng_status status = train_list_number(l, row, l->column[role], &e->attribute[a], err);
        if (status) return status;
    }
    return ENG_OK;
}

/* The emotion's name, "" for none; *drop when the row is none to train on. */
static eng_status parse_emotion(const train_list *l, size_t row, train_split split, const char **out, bool *drop,
                                eng_error *err)
{
    const char *cell = train_list_cell(l, row, ROLE_EMOTION);
    *out = l->msp ? train_msp_emotion(cell) : cell;
    if (!*out)
        return eng_fail(err, ENG_E_FORMAT,
                        "%s: line %zu: emotion '%s', expected one of MSP-Podcast's codes A S H U F D C N, X or O",
                        l->path, l->table->lines[row], cell);
    if (**out || l->options->attributes) return ENG_OK;
    if (!*cell && !(l->msp && split == TRAIN_TEST3))
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: no emotion in column '%s'", l->path, l->table->lines[row],
                        l->table->columns[l->column[ROLE_EMOTION]]);
    *drop = true;
    return ENG_OK;
}

static eng_status add_row(train_list *l, size_t row, train_data *d, eng_error *err)
{
    train_example e = {.file = train_list_cell(l, row, ROLE_FILE),
                       .line = l->table->lines[row],
                       .label = TRAIN_NO_LABEL,
                       .speaker = train_list_cell(l, row, ROLE_SPEAKER),
                       .text = train_list_cell(l, row, ROLE_TEXT)};
    bool drop = false;
    if (!*e.file)
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: no file name in column '%s'", l->path, e.line,
                        l->table->columns[l->column[ROLE_FILE]]);
    eng_status status = parse_split(l, row, &e.split, err);
    if (!status) status = parse_gender(l, row, &e.gender, err);
    if (!status) status = parse_attributes(l, row, &e, &drop, err);
    if (!status && l->emotion) status = parse_emotion(l, row, e.split, &l->emotion[d->count], &drop, err);
    if (status) return status;
    if (drop) {
        d->dropped++;
        return ENG_OK;
    }
    if (l->msp && strcasecmp(e.speaker, "unknown") == 0) e.speaker = "";
    e.path = *e.file == '/' ? e.file : train_list_join(l->strings, l->audio, e.file);
    if (!e.path) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", l->path);
    l->row[d->count] = row;
    d->example[d->count++] = e;
    return ENG_OK;
}

static eng_status add_rows(train_list *l, train_data *d, eng_error *err)
{
    size_t rows = l->table->row_count;
    if (rows > UINT32_MAX) /* draws are numbered by 32 bits */
        return eng_fail(err, ENG_E_UNSUPPORTED, "%s: %zu rows, expected at most %lu", l->path, rows,
                        (unsigned long)UINT32_MAX);
    bool labelled = l->column[ROLE_EMOTION] != TRAIN_NO_COLUMN;
    d->example = eng_alloc(rows, sizeof *d->example);
    l->row = eng_alloc(rows, sizeof *l->row);
    l->emotion = labelled ? eng_alloc(rows, sizeof *l->emotion) : NULL;
    if (!d->example || !l->row || (labelled && !l->emotion))
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for %zu rows", l->path, rows);
    for (size_t i = 0; i < rows; i++) {
        eng_status status = add_row(l, i, d, err);
        if (status) return status;
    }
    return ENG_OK;
}

/* ---- Speakers that move ---- */

/* The list's speakers, as far as they fit, for a message. */
static void describe_speakers(const train_data *d, char *text, size_t size)
{
    size_t used = 0, count = 0;
    text[0] = 0;
    for (size_t i = 0; i < d->count; i++) {
        const char *name = d->example[i].speaker;
        bool known = !*name;
        for (size_t j = 0; j < i && !known; j++) known = strcmp(d->example[j].speaker, name) == 0;
        if (known) continue;
        size_t length = strlen(name);
        if (used + length + sizeof ", ..." + 1 > size) {
            memcpy(text + used, ", ...", sizeof ", ...");
            return;
        }
        if (count++) memcpy(text + used, ", ", 2), used += 2;
        memcpy(text + used, name, length + 1);
        used += length;
    }
}

static eng_status move_speakers(const train_list *l, const char *names, train_split split, train_data *d,
                                const bool *earlier, bool *moved, eng_error *err)
{
    while (*names) {
        size_t length = strcspn(names, ","), begin = strspn(names, " ");
        const char *name = names + begin;
        size_t n = begin < length ? length - begin : 0;
        while (n && name[n - 1] == ' ') n--;
        names += length + (names[length] == ',');
        size_t count = 0;
        for (size_t i = 0; i < d->count; i++) {
            train_example *e = &d->example[i];
            if (!n || strlen(e->speaker) != n || memcmp(e->speaker, name, n) != 0) continue;
            if (earlier[i])
                return eng_fail(err, ENG_E_USAGE, "speaker '%.*s' is to move to dev and to test", (int)n, name);
            e->split = split;
            moved[i] = true;
            count++;
        }
        if (count) continue;
        char known[512];
        describe_speakers(d, known, sizeof known);
        return eng_fail(err, ENG_E_MISMATCH, "%s: no speaker '%.*s'; there are: %s", l->path, (int)n, name, known);
    }
    return ENG_OK;
}

static eng_status move_all_speakers(const train_list *l, train_data *d, eng_error *err)
{
    const train_data_options *o = l->options;
    if (!o->dev_speakers && !o->test_speakers) return ENG_OK;
    bool *dev = eng_alloc_zero(2 * d->count, sizeof *dev), *test = dev + d->count;
    if (!dev) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", l->path);
    eng_status status = ENG_OK;
    if (o->dev_speakers) status = move_speakers(l, o->dev_speakers, TRAIN_DEV, d, test, dev, err);
    if (!status && o->test_speakers) status = move_speakers(l, o->test_speakers, TRAIN_TEST, d, dev, test, err);
    eng_free(dev);
    return status;
}

/* ---- The whole ---- */

static eng_status need_training_rows(const train_list *l, const train_data *d, eng_error *err)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->example[i].split == TRAIN_TRAIN) return ENG_OK;
    return eng_fail(err, ENG_E_MISSING, "%s: no rows to train on: %zu rows in other splits, %zu dropped", l->path,
                    d->count, d->dropped);
}

static eng_status load(train_list *l, train_data *d, eng_error *err)
{
    tool_table *table = &d->store->table;
    l->strings = &d->store->strings;
    l->table = table;
    eng_status status = read_table(l, table, err);
    if (status) return status;
    status = find_columns(l, err);
    if (status) return status;
    l->msp = d->msp = train_msp_header(table);
    status = find_audio(l, err);
    if (!status) status = add_rows(l, d, err);
    if (!status) status = move_all_speakers(l, d, err);
    if (!status) status = train_classes_set(d, l, err);
    if (!status) status = need_training_rows(l, d, err);
    if (status) return status;
    d->store->kept = eng_alloc_zero(d->count, sizeof *d->store->kept);
    if (!d->store->kept) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", l->path);
    d->store->examples = d->count;
    train_store_allow(d->store, l->options->cache_bytes);
    return ENG_OK;
}

eng_status train_data_load(const train_data_options *o, train_data *out, eng_error *err)
{
    *out = (train_data){0};
    train_data d = {.store = train_store_new()};
    train_list l = {.options = o};
    if (!d.store) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory", o->path);
    eng_status status = load(&l, &d, err);
    eng_free(l.row);
    eng_free(l.emotion);
    if (status)
        train_data_free(&d);
    else
        *out = d;
    return status;
}

bool train_data_has_column(const train_data *d, const char *name)
{
    return train_list_find(&d->store->table, name) != TRAIN_NO_COLUMN;
}

void train_data_free(train_data *d)
{
    train_store_free(d->store);
    eng_free(d->example);
    eng_free(d->class_name);
    *d = (train_data){0};
}
