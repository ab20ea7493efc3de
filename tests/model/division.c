/* How parameters are divided: every element that learns in one piece and, for any number of parts, in one part. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/memory.h"
#include "model/training/division.h"

enum { LAYERS = 3, PARAMS = 9, ELEMENTS = 60000 };

/* Lengths around those of a piece; layer 1 has nothing that learns. In the order of a model: not that of the blocks. */
static const struct {
    const char *name;
    size_t count, block;
    bool frozen;
} given[PARAMS] = {
    {"classifier.weight", 3 * MDL_PIECE + 1, LAYERS + 1, false},
    {"wavlm.encoder.layers.0.attention.rel_attn_embed.weight", 12, 0, false},
    {"wavlm.encoder.layers.2.attention.k_proj.weight", MDL_PIECE, 3, false},
    {"wavlm.feature_projection.projection.weight", 2 * MDL_PIECE - 1, 0, false},
    {"wavlm.encoder.layers.1.attention.k_proj.weight", 500, 2, true},
    {"wavlm.encoder.layers.0.attention.k_proj.bias", 1, 1, false},
    {"layer_weights", 5, 0, false},
    {"wavlm.feature_extractor.conv_layers.0.conv.weight", 77, 0, true},
    {"wavlm.encoder.layers.2.attention.k_proj.bias", 3, 3, false},
};

typedef struct fixture {
    mdl_params params;
    mdl_division division;
    float data[ELEMENTS];
} fixture;

static fixture *fixture_new(size_t parts)
{
    fixture *f = eng_alloc_zero(1, sizeof *f);
    eng_error err = {0};
    for (size_t i = 0; i < PARAMS; i++) {
        cr_assert_eq(mdl_params_add(&f->params, given[i].name, 1, &given[i].count, MDL_PARAM_AS_IS, f->data, f->data, &err),
                     ENG_OK);
        f->params.param[i].frozen = given[i].frozen;
    }
    cr_assert_eq(mdl_division_init(&f->division, &f->params, LAYERS, parts, &err), ENG_OK, "%s", err.message);
    return f;
}

static void fixture_free(fixture *f)
{
    mdl_division_fini(&f->division);
    mdl_params_fini(&f->params);
    eng_free(f);
}

/* How often each element of each parameter was met. */
typedef unsigned char counts[PARAMS][4 * MDL_PIECE];

static void count_run(counts c, mdl_run run)
{
    cr_assert_lt(run.param, PARAMS);
    cr_assert(run.count > 0 && run.first + run.count <= given[run.param].count);
    for (size_t i = 0; i < run.count; i++) c[run.param][run.first + i]++;
}

static void expect_once(counts c)
{
    for (size_t p = 0; p < PARAMS; p++)
        for (size_t i = 0; i < given[p].count; i++)
            cr_assert_eq(c[p][i], !given[p].frozen, "element %zu of %s: %d times", i, given[p].name, c[p][i]);
}

Test(division, pieces_hold_every_element_once)
{
    static counts seen;
    fixture *f = fixture_new(1);
    const mdl_division *d = &f->division;
    size_t sum = 0, at = 0;
    for (size_t p = 0; p < PARAMS; p++) sum += given[p].frozen ? 0 : given[p].count;
    cr_assert_eq(mdl_division_elements(d), sum);
    cr_assert(d->blocks == LAYERS + 2 && d->params == PARAMS && d->learning == PARAMS - 2);
    cr_assert(d->block[2].count == 0 && d->block[2].pieces == 0);
    for (size_t b = 0; b < d->blocks; b++)
        for (size_t i = 0; i < d->block[b].pieces; i++) {
            const size_t first = d->block[b].piece[i], end = d->block[b].piece[i + 1];
            cr_assert_eq(first, at, "a gap");
            cr_assert(end > first && end - first <= MDL_PIECE);
            const mdl_run run = mdl_division_run(d, b, first, end);
            cr_assert_eq(run.count, end - first, "a piece is of one parameter");
            cr_assert_eq(given[run.param].block, b, "%s is in block %zu", given[run.param].name, b);
            count_run(seen, run);
            at = end;
        }
    cr_assert_eq(at, sum);
    expect_once(seen);
    fixture_free(f);
}

Test(division, runs_from_anywhere)
{
    fixture *f = fixture_new(4);
    const mdl_division *d = &f->division;
    size_t ended = 0;
    for (size_t b = 0; b < d->blocks; b++) {
        const mdl_span all = mdl_division_span(d, b, 0, 4);
        for (size_t at = all.first; at < all.first + all.count; at += 1 + at % 97) {
            const size_t end = at + 1000 < all.first + all.count ? at + 1000 : all.first + all.count;
            const mdl_run run = mdl_division_run(d, b, at, end), next = mdl_division_run(d, b, at + run.count - 1, end);
            cr_assert(run.count > 0 && run.count <= end - at && run.first + run.count <= given[run.param].count);
            cr_assert(next.param == run.param && next.first == run.first + run.count - 1 && next.count == 1);
            if (at + run.count == end) continue;
            cr_assert_eq(run.first + run.count, given[run.param].count, "a run ends early");
            ended++;
        }
    }
    cr_assert_gt(ended, 10);
    fixture_free(f);
}

/* Parts [first, end) of all blocks, met element by element; their own spans say the same. */
static void count_parts(const mdl_division *d, size_t first, size_t end, counts c)
{
    static counts these;
    mdl_span own[PARAMS];
    memset(these, 0, sizeof these);
    for (size_t b = 0; b < d->blocks; b++) {
        const mdl_span span = mdl_division_span(d, b, first, end);
        for (size_t at = span.first; at < span.first + span.count;) {
            const mdl_run run = mdl_division_run(d, b, at, span.first + span.count);
            count_run(these, run);
            at += run.count;
        }
    }
    mdl_division_own(d, first, end, own);
    for (size_t p = 0; p < PARAMS; p++)
        for (size_t i = 0; i < given[p].count; i++) {
            const bool inside = i >= own[p].first && i - own[p].first < own[p].count;
            cr_assert_eq(these[p][i], inside, "parts [%zu, %zu): element %zu of %s", first, end, i, given[p].name);
            c[p][i] = (unsigned char)(c[p][i] + these[p][i]);
        }
}

Test(division, parts_for_any_count)
{
    static counts seen;
    static const size_t parts[] = {1, 2, 3, 5, 12, 64, 500};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
        for (size_t each = 1; each <= parts[k]; each++) {
            if (parts[k] % each || (each > 1 && each < parts[k] && each != 4)) continue;
            fixture *f = fixture_new(parts[k]);
            memset(seen, 0, sizeof seen);
            for (size_t first = 0; first < parts[k]; first += each) count_parts(&f->division, first, first + each, seen);
            expect_once(seen);
            fixture_free(f);
        }
}

Test(division, parts_are_of_about_the_same_size)
{
    for (size_t parts = 1; parts <= 9; parts++) {
        fixture *f = fixture_new(parts);
        for (size_t b = 0; b < f->division.blocks; b++) {
            const size_t least = f->division.block[b].pieces / parts;
            for (size_t p = 0; p < parts; p++) {
                const mdl_span span = mdl_division_span(&f->division, b, p, p + 1);
                size_t pieces = 0;
                for (size_t i = 0; i < f->division.block[b].pieces; i++) {
                    const size_t at = f->division.block[b].piece[i];
                    pieces += at >= span.first && at < span.first + span.count;
                }
                cr_assert(pieces == least || pieces == least + 1, "%zu of %zu pieces", pieces, f->division.block[b].pieces);
            }
        }
        fixture_free(f);
    }
}
