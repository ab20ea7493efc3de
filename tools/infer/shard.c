/* `--shard I/N`: contiguous shares of the list, of about the same audio, whose results one after the other are those of the
 * whole. */
#include <stdlib.h>
#include <strings.h>

#include "engine/memory.h"
#include "tools/common/segments/time.h"
#include "tools/infer/infer.h"

static const char *const duration_columns[] = {"duration", "seconds", "length", "dur"};

static size_t find_duration(const tool_list *l)
{
    for (size_t i = 0; i < sizeof duration_columns / sizeof *duration_columns; i++)
        for (size_t c = 0; c < l->column_count; c++)
            if (strcasecmp(l->columns[c], duration_columns[i]) == 0) return c;
    return TOOL_NO_COLUMN;
}

static double cell_seconds(const infer *f, size_t row, size_t column)
{
    double seconds = 0;
    return tool_time_parse(tool_list_value(&f->list, row, column), &seconds) == TOOL_TIME_OK ? seconds : 0;
}

/* Seconds that a row lasts, as its list says; 0: it does not. */
static double row_seconds(const infer *f, size_t row, size_t column)
{
    double end = cell_seconds(f, row, f->end_column);
    return end > 0 ? end - cell_seconds(f, row, f->start_column) : cell_seconds(f, row, column);
}

static bool parse_shard(const char *text, uint64_t *i, uint64_t *n)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    *i = strtoull(text, &end, 10);
    if (*end != '/' || end[1] < '0' || end[1] > '9') return false;
    *n = strtoull(end + 1, &end, 10);
    return !*end && *i >= 1 && *i <= *n && *n <= 1000000;
}

/* The rows whose middles lie in share i, from 0, of n, of all their seconds. */
static void divide(infer *f, const double *seconds, double total, size_t i, size_t n)
{
    double before = 0, low = total / (double)n * (double)i, high = total / (double)n * (double)(i + 1);
    size_t first = f->list.row_count, last = f->list.row_count;
    for (size_t r = 0; r < f->list.row_count; r++) {
        double middle = before + seconds[r] / 2;
        if (middle >= low && first == f->list.row_count) first = r;
        if (middle >= high && i + 1 < n) {
            last = r;
            break;
        }
        before += seconds[r];
    }
    f->first_row = first < last ? first : last;
    f->last_row = last;
}

eng_status infer_choose_rows(infer *f, eng_error *err)
{
    uint64_t i, n;
    size_t rows = f->list.row_count, known = 0, column = find_duration(&f->list);
    f->first_row = 0;
    f->last_row = rows;
    if (!f->o.shard) return ENG_OK;
    if (!parse_shard(f->o.shard, &i, &n))
        return eng_fail(err, ENG_E_USAGE, "--shard %s: expected I/N, as 1/8 to 8/8", f->o.shard);
    double *seconds = eng_alloc(rows, sizeof *seconds), total = 0;
    if (!seconds) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    for (size_t r = 0; r < rows; r++) {
        seconds[r] = row_seconds(f, r, column);
        known += seconds[r] > 0;
        total += seconds[r];
    }
    double mean = known ? total / (double)known : 1; /* of those that are not known */
    for (size_t r = 0; r < rows; r++)
        if (!(seconds[r] > 0)) seconds[r] = mean;
    total = 0;
    for (size_t r = 0; r < rows; r++) total += seconds[r];
    f->continues = i > 1;
    divide(f, seconds, total, (size_t)i - 1, (size_t)n);
    eng_free(seconds);
    return ENG_OK;
}
