/* The classes of training data, and each example's label and votes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/train/data/list.h"
#include "tools/train/data/store.h"

/* ---- The classes ---- */

static eng_status copy_classes(train_data *d, const train_list *l, const char *const *names, size_t count,
                               eng_error *err)
{
    d->class_name = eng_alloc(count, sizeof *d->class_name);
    for (size_t c = 0; d->class_name && c < count; c++) {
        size_t size = strlen(names[c]) + 1;
        char *copy = eng_arena_alloc(l->strings, size, 1);
        if (!copy) break;
        memcpy(copy, names[c], size);
        d->class_name[d->classes++] = copy;
    }
    return d->classes == count ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory for its classes", l->path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_any_case(const void *a, const void *b)
{
    int order = strcasecmp(*(const char *const *)a, *(const char *const *)b);
    return order ? order : compare_names(a, b);
}

/* Sorts names and takes out the empty and the doubled; how many are left. */
static size_t sort_names(const char **names, size_t count, int (*compare)(const void *, const void *))
{
    size_t kept = 0;
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; i++)
        if (*names[i] && (!kept || strcmp(names[i], names[kept - 1]) != 0)) names[kept++] = names[i];
    return kept;
}

/* Emotions that differ in case alone are one emotion, misspelt. */
static eng_status collect_classes(train_data *d, const train_list *l, eng_error *err)
{
    const char **names = eng_alloc(d->count, sizeof *names);
    if (!names) return eng_fail(err, ENG_E_MEMORY, "%s: out of memory for its classes", l->path);
    if (d->count) memcpy(names, l->emotion, d->count * sizeof *names);
    size_t count = sort_names(names, d->count, compare_any_case);
    eng_status status = ENG_OK;
    for (size_t i = 1; i < count && !status; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0)
            status = eng_fail(err, ENG_E_FORMAT, "%s: the emotions '%s' and '%s' differ in case alone", l->path,
                              names[i - 1], names[i]);
    count = sort_names(names, count, compare_names);
    if (!status && count < 2 && !l->options->attributes && d->count)
        status = eng_fail(err, ENG_E_MISSING, "%s: '%s' is the only emotion in it, expected at least two", l->path,
                          names[0]);
    if (!status) status = copy_classes(d, l, names, count, err);
    eng_free(names);
    return status;
}

static eng_status find_classes(train_data *d, const train_list *l, eng_error *err)
{
    if (l->options->classes) return copy_classes(d, l, l->options->class_names, l->options->classes, err);
    if (l->msp) return copy_classes(d, l, train_msp_class, TRAIN_MSP_CLASSES, err);
    if (l->emotion) return collect_classes(d, l, err);
    if (l->options->attributes) return ENG_OK;
    return eng_fail(err, ENG_E_MISSING, "%s: no column named emotion, EmoClass or label in its header", l->path);
}

/* ---- Labels ---- */

/* The class of that name, exactly or else whatever the case; d->classes when there is none. */
static size_t find_class(const train_data *d, const char *name)
{
    for (size_t c = 0; c < d->classes; c++)
        if (strcmp(d->class_name[c], name) == 0) return c;
    for (size_t c = 0; c < d->classes; c++)
        if (strcasecmp(d->class_name[c], name) == 0) return c;
    return d->classes;
}

/* The classes, as far as they fit, for a message. */
static const char *describe_classes(const train_data *d, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t c = 0; c < d->classes; c++) {
        size_t length = strlen(d->class_name[c]);
        if (used + length + sizeof ", ..." + 1 > size) {
            memcpy(text + used, ", ...", sizeof ", ...");
            break;
        }
        if (c) memcpy(text + used, ", ", 2), used += 2;
        memcpy(text + used, d->class_name[c], length + 1);
        used += length;
    }
    return text;
}

static eng_status set_labels(train_data *d, const train_list *l, eng_error *err)
{
    for (size_t i = 0; i < d->count; i++) {
        train_example *e = &d->example[i];
        if (!*l->emotion[i]) continue;
        e->label = find_class(d, l->emotion[i]);
        if (e->label < d->classes) continue;
        e->label = TRAIN_NO_LABEL;
        if (l->options->attributes) continue; /* what the model calls its classes are the attributes */
        char classes[512];
        return eng_fail(err, ENG_E_MISMATCH, "%s: line %zu: emotion '%s' is not among the model's classes: %s", l->path,
                        e->line, l->emotion[i], describe_classes(d, classes, sizeof classes));
    }
    return ENG_OK;
}

/* ---- Votes ---- */

/* The column of each class. ENG_E_MISSING when one has none. */
static eng_status find_vote_columns(const train_data *d, const train_list *l, size_t *column, eng_error *err)
{
    for (size_t c = 0; c < d->classes; c++) {
        column[c] = train_list_find(l->table, d->class_name[c]);
        if (column[c] != TRAIN_NO_COLUMN) continue;
        char classes[512];
        return eng_fail(err, ENG_E_MISSING, "%s: no column named %s%s; the classes are %s", l->path,
                        l->emotion ? "" : "emotion, EmoClass or label, and none of the class ", d->class_name[c],
                        describe_classes(d, classes, sizeof classes));
    }
    return ENG_OK;
}

/* The shares of a row's votes, which sum to 1. */
static eng_status take_votes(const train_data *d, const train_list *l, size_t example, const size_t *column,
                             float *votes, eng_error *err)
{
    double sum = 0;
    size_t row = l->row[example];
    for (size_t c = 0; c < d->classes; c++) {
        eng_status status = train_list_number(l, row, column[c], &votes[c], err);
        if (status) return status;
        if (votes[c] < 0)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: column '%s': %g votes, expected none or more", l->path,
                            l->table->lines[row], l->table->columns[column[c]], (double)votes[c]);
        sum += (double)votes[c];
    }
    if (!(sum > 0))
        return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: no votes for any class", l->path, l->table->lines[row]);
    for (size_t c = 0; c < d->classes; c++) votes[c] = (float)((double)votes[c] / sum);
    return ENG_OK;
}

static size_t most_votes(const float *votes, size_t classes)
{
    size_t best = 0;
    for (size_t c = 1; c < classes; c++)
        if (votes[c] > votes[best]) best = c;
    return best;
}

static eng_status set_votes(train_data *d, const train_list *l, eng_error *err)
{
    size_t total, *column = eng_alloc(d->classes, sizeof *column);
    float *votes = NULL;
    if (eng_mul_size(d->count, d->classes, &total)) votes = eng_alloc(total, sizeof *votes);
    d->store->votes = votes;
    eng_status status = ENG_OK;
    if (!column || !votes) status = eng_fail(err, ENG_E_MEMORY, "%s: out of memory for votes", l->path);
    if (!status) status = find_vote_columns(d, l, column, err);
    for (size_t i = 0; i < d->count && !status; i++) {
        float *own = votes + i * d->classes;
        status = take_votes(d, l, i, column, own, err);
        if (status) break;
        if (!l->emotion) d->example[i].label = most_votes(own, d->classes);
        if (l->options->votes) d->example[i].votes = own;
    }
    eng_free(column);
    return status;
}

eng_status train_classes_set(train_data *d, const train_list *l, eng_error *err)
{
    eng_status status = find_classes(d, l, err);
    if (!status && l->emotion) status = set_labels(d, l, err);
    bool needed = l->options->votes || (!l->emotion && !l->options->attributes);
    if (!status && needed) status = set_votes(d, l, err);
    return status;
}
