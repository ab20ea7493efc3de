/* The sum of shards' gradients, bit for bit against the tree's definition computed plainly, array by array: on one rank and
 * in the pieces that several have of it, with absent shards, rounded to bf16 and not. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/memory.h"
#include "model/training/shard_sum.h"
#include "tests/support/support.h"

enum { PARAMS = 4, LAYERS = 1, MOST = 20 };

/* One is longer than a piece, one than what is read at once; one is frozen. */
static const struct {
    const char *name;
    size_t count;
} given[PARAMS] = {{"wavlm.encoder.layers.0.x.weight", MDL_PIECE + 100}, {"classifier.bias", 5}, {"frozen", 50},
                   {"wavlm.encoder.layer_norm.weight", MDL_READ_MOST + 3}};
enum { ELEMENTS = MDL_PIECE + 100 + 5 + MDL_READ_MOST + 3 };

typedef struct fixture {
    support_engine *e;
    mdl_params params;
    mdl_division division;
    float *data, *grad[PARAMS];
    float *shard;  /* [MOST, ELEMENTS]: gradients, in the division's order */
    bool present[MOST];
} fixture;

static fixture *fixture_new(void)
{
    fixture *f = eng_alloc_zero(1, sizeof *f);
    eng_error err = {0};
    f->e = support_engine_new(2);
    f->data = eng_alloc_zero(MDL_PIECE + 100, sizeof *f->data);
    for (size_t i = 0; i < PARAMS; i++) {
        f->grad[i] = eng_alloc_zero(given[i].count, sizeof **f->grad);
        cr_assert_eq(mdl_params_add(&f->params, given[i].name, 1, &given[i].count, MDL_PARAM_AS_IS, f->data, f->grad[i], &err),
                     ENG_OK);
    }
    f->params.param[2].frozen = true;
    cr_assert_eq(mdl_division_init(&f->division, &f->params, LAYERS, 1, &err), ENG_OK);
    cr_assert_eq(mdl_division_elements(&f->division), ELEMENTS);
    f->shard = support_normal(17, MOST * ELEMENTS, 1);
    for (size_t i = 0; i < MOST * ELEMENTS; i += 7) f->shard[i] *= 1e6f; /* sums whose order shows */
    return f;
}

static void fixture_free(fixture *f)
{
    mdl_division_fini(&f->division);
    mdl_params_fini(&f->params);
    for (size_t i = 0; i < PARAMS; i++) eng_free(f->grad[i]);
    eng_free(f->data);
    eng_free(f->shard);
    support_engine_free(f->e);
    eng_free(f);
}

/* Copies between the parameters' gradients and one array of all that learn. */
static void move(fixture *f, float *all, bool to_parameters)
{
    for (size_t b = 0; b < f->division.blocks; b++)
        for (size_t i = 0; i < f->division.block[b].pieces; i++) {
            const size_t at = f->division.block[b].piece[i], end = f->division.block[b].piece[i + 1];
            const mdl_run run = mdl_division_run(&f->division, b, at, end);
            float *grad = f->grad[run.param] + run.first;
            memcpy(to_parameters ? grad : all + at, to_parameters ? all + at : grad, run.count * sizeof *grad);
        }
}

/* To the nearest bf16, of two as near the even one. */
static float to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rest = bits & 0xFFFF, below = bits - rest;
    bits = rest > 0x8000 || (rest == 0x8000 && (below & 0x10000)) ? below + 0x10000 : below;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The value of shards [first, first + count) by the definition; false when all are absent. */
static bool naive(const fixture *f, bool rounded, size_t first, size_t count, float *out)
{
    if (count == 1) {
        for (size_t i = 0; i < ELEMENTS && f->present[first]; i++) {
            const float x = f->shard[first * ELEMENTS + i];
            out[i] = rounded ? to_bf16(x) : x;
        }
        return f->present[first];
    }
    size_t left = 1;
    while (2 * left < count) left *= 2;
    float *other = eng_alloc(ELEMENTS, sizeof *other);
    const bool has_left = naive(f, rounded, first, left, out), has_right = naive(f, rounded, first + left, count - left, other);
    for (size_t i = 0; i < ELEMENTS && has_right; i++) {
        const float sum = has_left ? out[i] + other[i] : other[i];
        out[i] = rounded ? to_bf16(sum) : sum;
    }
    eng_free(other);
    return has_left || has_right;
}

/* Which shards are there: all, none, or some of them. */
static void choose(fixture *f, size_t n, size_t pattern)
{
    static const size_t masks[] = {0xFFFFF, 0, 0x1, 0x80000, 0xAAAAA, 0x3C0F1, 0x00F00, 0x84210};
    for (size_t i = 0; i < n; i++) f->present[i] = masks[pattern] >> i & 1;
}
enum { PATTERNS = 8 };

static void take(fixture *f, mdl_shard_sum *s, bool rounded, size_t n, size_t first, size_t end)
{
    eng_error err = {0};
    kern_table k = support_table();
    cr_assert_eq(mdl_shard_sum_init(s, &f->params, &f->division, &k, rounded, n, first, end, &err), ENG_OK, "%s", err.message);
    mdl_shard_sum_begin(s, f->present);
    for (size_t i = 0; i < PARAMS; i++) memset(f->grad[i], 0, given[i].count * sizeof **f->grad);
    for (size_t shard = first; shard < end; shard++) {
        if (!f->present[shard]) continue;
        float *now = eng_alloc(ELEMENTS, sizeof *now);
        move(f, now, false);
        for (size_t i = 0; i < ELEMENTS; i++) cr_assert_eq(now[i], 0, "shard %zu begins with the gradients of another", shard);
        eng_free(now);
        move(f, f->shard + shard * ELEMENTS, true);
        mdl_shard_sum_take(s, &f->e->ctx, shard);
        cr_assert(eng_good(&f->e->ctx), "%s", f->e->ctx.error.message);
    }
}

Test(shard_sum, all_of_it_on_one_rank)
{
    fixture *f = fixture_new();
    float *expected = eng_alloc(ELEMENTS, sizeof *expected), *found = eng_alloc(ELEMENTS, sizeof *found);
    size_t compared = 0;
    for (size_t n = 1; n <= MOST; n += support_emulated() ? 3 : 1)
        for (size_t pattern = 0; pattern < PATTERNS; pattern++)
            for (int rounded = 0; rounded < 2; rounded++) {
                mdl_shard_sum s;
                choose(f, n, pattern);
                take(f, &s, rounded, n, 0, n);
                mdl_shard_sum_finish(&s, &f->e->ctx);
                move(f, found, false);
                if (!naive(f, rounded, 0, n, expected)) memset(expected, 0, ELEMENTS * sizeof *expected);
                cr_assert_arr_eq(found, expected, ELEMENTS * sizeof *found, "%zu shards, pattern %zu, rounded %d", n, pattern,
                                 rounded);
                for (size_t i = 0; i < given[2].count; i++) cr_assert_eq(f->grad[2][i], 0, "a frozen parameter");
                mdl_shard_sum_fini(&s);
                compared++;
            }
    cr_assert_geq(compared, 7 * PATTERNS * 2);
    eng_free(expected);
    eng_free(found);
    fixture_free(f);
}

/* A node's value at all elements, read in runs. */
static void read_all(fixture *f, const mdl_shard_sum *s, mdl_node node, const mdl_received *received, float *out)
{
    float *scratch = eng_alloc(mdl_shard_sum_scratch(s), sizeof *scratch);
    for (size_t b = 0; b < f->division.blocks; b++) {
        const mdl_span all = mdl_division_span(&f->division, b, 0, 1);
        for (size_t at = all.first; at < all.first + all.count;) {
            mdl_run run = mdl_division_run(&f->division, b, at, all.first + all.count);
            if (run.count > MDL_READ_MOST) run.count = MDL_READ_MOST;
            mdl_shard_sum_read(s, node, at, run, received, scratch, out + at);
            at += run.count;
        }
    }
    eng_free(scratch);
}

/* What one of several ranks has: its forest's values, and, with those of the others, the root's. */
static void check_rank(fixture *f, bool rounded, size_t n, size_t first, size_t end)
{
    mdl_shard_sum s;
    mdl_node nodes[MDL_FOREST_MOST];
    float *expected = eng_alloc(ELEMENTS, sizeof *expected), *found = eng_alloc(ELEMENTS, sizeof *found);
    float *sent = eng_alloc(MOST * ELEMENTS, sizeof *sent);
    uint16_t *half = eng_alloc(MOST * ELEMENTS, sizeof *half);
    size_t sends = 0, count = mdl_node_forest(n, first, end, nodes);
    take(f, &s, rounded, n, first, end);
    for (size_t i = 0; i < count; i++) {
        const bool has = naive(f, rounded, nodes[i].first, nodes[i].count, expected);
        cr_assert_eq(mdl_shard_sum_has(&s, nodes[i]), has);
        if (!has) continue;
        read_all(f, &s, nodes[i], NULL, found);
        cr_assert_arr_eq(found, expected, ELEMENTS * sizeof *found, "%zu shards, node %zu+%zu", n, nodes[i].first,
                         nodes[i].count);
    }
    const size_t each = end - first;
    for (size_t other = 0; other < n; other += each) {
        if (other == first) continue;
        count = mdl_node_forest(n, other, other + each, nodes);
        for (size_t i = 0; i < count; i++) {
            if (!naive(f, rounded, nodes[i].first, nodes[i].count, sent + sends * ELEMENTS)) continue;
            mdl_shard_sum_expect(&s, nodes[i], sends++);
        }
    }
    for (size_t i = 0; i < sends * ELEMENTS; i++) {
        uint32_t bits;
        memcpy(&bits, &sent[i], sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
    }
    if (naive(f, rounded, 0, n, expected)) {
        const mdl_received received = {{0, ELEMENTS}, rounded ? NULL : sent, rounded ? half : NULL};
        read_all(f, &s, (mdl_node){0, n}, &received, found);
        cr_assert_arr_eq(found, expected, ELEMENTS * sizeof *found, "%zu shards, the root on [%zu, %zu)", n, first, end);
    }
    mdl_shard_sum_fini(&s);
    eng_free(expected);
    eng_free(found);
    eng_free(sent);
    eng_free(half);
}

Test(shard_sum, the_same_from_what_ranks_send)
{
    static const size_t shards[] = {6, 12, 20};
    fixture *f = fixture_new();
    for (size_t k = 0; k < (support_emulated() ? 1 : 3); k++)
        for (size_t each = 1; each < shards[k]; each++) {
            if (shards[k] % each) continue;
            for (size_t pattern = 0; pattern < PATTERNS; pattern += each % 2 ? 2 : 1) {
                choose(f, shards[k], pattern);
                check_rank(f, pattern % 3 == 0, shards[k], 0, each);
                check_rank(f, pattern % 3 != 0, shards[k], each, 2 * each);
                check_rank(f, pattern % 3 == 0, shards[k], shards[k] - each, shards[k]);
            }
        }
    fixture_free(f);
}
