#include "bench/measure/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/work/lists.h"

bool bench_table_add(bench_table *table, const bench_result *r)
{
    const bench_network *w = r->network;
    if (table->n == table->room) {
        const size_t room = table->room ? 2 * table->room : 64;
        bench_cell *cells = eng_alloc(room, sizeof *cells);
        if (!cells) return false;
        if (table->n) memcpy(cells, table->cells, table->n * sizeof *cells);
        eng_free(table->cells);
        table->cells = cells;
        table->room = room;
    }
    table->cells[table->n++] = (bench_cell){.model = w->model,
                                            .batch = w->batch,
                                            .threads = r->threads,
                                            .calls = r->calls,
                                            .quiet_calls = r->quiet_calls,
                                            .bytes = w->peak_bytes,
                                            .precision = r->precision,
                                            .peak_precision = r->peak_precision,
                                            .seconds = w->seconds_audio / (double)w->batch,
                                            .time_s = r->time_s,
                                            .quiet_time_s = r->quiet_time_s,
                                            .x_realtime = w->seconds_audio / r->time_s,
                                            .share = r->gflops / r->peak_gflops,
                                            .quiet_share = r->quiet_share,
                                            .error = r->max_error};
    return true;
}

void bench_table_free(bench_table *table)
{
    eng_free(table->cells);
    *table = (bench_table){0};
}

/* ---- Which cells belong together ---- */

static bool same_column(const bench_cell *a, const bench_cell *b)
{
    return strcmp(a->model, b->model) == 0 && a->precision == b->precision && a->threads == b->threads;
}

static bool same_row(const bench_cell *a, const bench_cell *b)
{
    return strcmp(a->model, b->model) == 0 && a->seconds == b->seconds;
}

static bool same_model(const bench_cell *a, const bench_cell *b)
{
    return strcmp(a->model, b->model) == 0;
}

/* Whether cell i is the first of those that are `same`. */
static bool is_first(const bench_table *t, size_t i, bool (*same)(const bench_cell *, const bench_cell *))
{
    for (size_t j = 0; j < i; j++)
        if (same(&t->cells[i], &t->cells[j])) return false;
    return true;
}

/* ---- Markdown ---- */

static void print_cell(const bench_cell *c)
{
    printf(" %.3g s, %.1f x, %.0f %%", c->time_s, c->x_realtime, 100 * c->share);
    if (isfinite(c->quiet_time_s))
        printf("<br>quiet %.3g s, %.1f x, %.0f %%", c->quiet_time_s, c->x_realtime * c->time_s / c->quiet_time_s,
               100 * c->quiet_share);
    printf(" |");
}

static void print_bytes(const bench_cell *c)
{
    printf(" %.2f GB |", 1e-9 * (double)c->bytes);
}

static void print_error(const bench_cell *c)
{
    printf(" %.1e |", c->error);
}

static void print_peak(const bench_cell *c)
{
    printf(" %s |", bench_precision_name(c->peak_precision));
}

static void print_dashes(const bench_cell *c)
{
    (void)c;
    printf(" --- |");
}

static void print_heading(const bench_cell *c)
{
    printf(" %s, %zu thread%s |", bench_precision_name(c->precision), c->threads, c->threads == 1 ? "" : "s");
}

/* A row that says something of each column of `head`'s model: of its last cell, the longest measured for the memory. */
static void print_columns(const bench_table *t, const bench_cell *head, const char *name,
                          void (*print)(const bench_cell *))
{
    printf("| %s |", name);
    for (size_t i = 0; i < t->n; i++) {
        if (!same_model(&t->cells[i], head) || !is_first(t, i, same_column)) continue;
        size_t last = i;
        for (size_t j = i; j < t->n; j++)
            if (same_column(&t->cells[j], &t->cells[i])) last = j;
        print(&t->cells[last]);
    }
    putchar('\n');
}

/* The cells of the length of `head`, column by column; one that was not measured stays empty. */
static void print_row(const bench_table *t, const bench_cell *head)
{
    printf("| %g s |", head->seconds);
    for (size_t i = 0; i < t->n; i++) {
        if (!same_model(&t->cells[i], head) || !is_first(t, i, same_column)) continue;
        size_t j = 0;
        while (j < t->n && !(same_column(&t->cells[j], &t->cells[i]) && same_row(&t->cells[j], head))) j++;
        if (j < t->n)
            print_cell(&t->cells[j]);
        else
            printf(" |");
    }
    putchar('\n');
}

static void print_model(const bench_table *t, const bench_cell *head, const kern_table *k)
{
    char cpu[512];
    bench_cpu_name(sizeof cpu, cpu);
    printf("WavLM `%s`, batches of %zu: wavlm.c " WLM_VERSION ", %s, %zu CPU%s, kernels %s%s\n\n", head->model,
           head->batch, cpu, eng_cpu_count(), eng_cpu_count() == 1 ? "" : "s", kern_tier_name(k->tier),
           bench_caps_name(k));
    print_columns(t, head, "audio", print_heading);
    print_columns(t, head, "---", print_dashes);
    for (size_t i = 0; i < t->n; i++)
        if (same_model(&t->cells[i], head) && is_first(t, i, same_row)) print_row(t, &t->cells[i]);
    print_columns(t, head, "largest error", print_error);
    print_columns(t, head, "memory", print_bytes);
    print_columns(t, head, "peak of", print_peak);
    printf("\nMedians of %zu calls after one that does not count: time, times real time, share of the peak measured "
           "between "
           "them. Quiet: the median of the calls that no other load disturbed, where there were %d.\n",
           head->calls, BENCH_LEAST_QUIET);
}

void bench_table_print(const bench_table *table, const kern_table *k)
{
    size_t models = 0;
    for (size_t i = 0; i < table->n; i++) {
        if (!is_first(table, i, same_model)) continue;
        if (models++) putchar('\n');
        print_model(table, &table->cells[i], k);
    }
}
