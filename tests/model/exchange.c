/* The exchange on one rank, where nobody is to be sent anything: sums, norm, steps. (Several ranks: scripts/train_ranks.sh.) */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/memory.h"
#include "model/training/exchange.h"
#include "tests/support/support.h"

enum { PARAMS = 3, COUNT = MDL_PIECE + 17, SHARDS = 6 };
static const char *const names[PARAMS] = {"wavlm.encoder.layers.0.x.weight", "classifier.weight", "frozen"};

typedef struct fixture {
    support_engine *e;
    eng_ranks *ranks;
    mdl_params params;
    mdl_exchange *x;
    float *data[PARAMS], *grad[PARAMS];
} fixture;

static mdl_exchange_options options_of(const fixture *f, bool bf16)
{
    return (mdl_exchange_options){.ranks = f->ranks, .shards = SHARDS, .bf16 = bf16};
}

static fixture *fixture_new(bool bf16)
{
    fixture *f = eng_alloc_zero(1, sizeof *f);
    eng_error err = {0};
    const size_t count = COUNT;
    f->e = support_engine_new(2);
    cr_assert_eq(eng_ranks_open(NULL, NULL, NULL, &f->ranks, &err), ENG_OK, "%s", err.message);
    for (size_t i = 0; i < PARAMS; i++) {
        f->data[i] = support_normal(i + 1, COUNT, 0.1f);
        f->grad[i] = eng_alloc_zero(COUNT, sizeof **f->grad);
        cr_assert_eq(mdl_params_add(&f->params, names[i], 1, &count, MDL_PARAM_AS_IS, f->data[i], f->grad[i], &err), ENG_OK);
    }
    f->params.param[2].frozen = true;
    const mdl_exchange_options o = options_of(f, bf16);
    cr_assert_eq(mdl_exchange_new(&o, &f->params, 1, &f->e->ctx.k, &f->x, &err), ENG_OK, "%s", err.message);
    return f;
}

static void fixture_free(fixture *f)
{
    mdl_exchange_free(f->x);
    mdl_params_fini(&f->params);
    for (size_t i = 0; i < PARAMS; i++) {
        eng_free(f->data[i]);
        eng_free(f->grad[i]);
    }
    eng_ranks_close(f->ranks);
    support_engine_free(f->e);
    eng_free(f);
}

/* The gradient of an element in a shard: whole numbers, whose sums are exact, in bf16 too. */
static float gradient(size_t shard, size_t param, size_t i)
{
    return (float)((i * 7 + param * 3 + shard) % 5) - 2;
}

Test(exchange, one_rank_has_all_shards_and_owns_all_that_learns)
{
    fixture *f = fixture_new(false);
    size_t first, end;
    mdl_exchange_shards(f->x, &first, &end);
    cr_assert(first == 0 && end == SHARDS);
    for (size_t i = 0; i < PARAMS; i++)
        cr_assert(mdl_exchange_own(f->x)[i].first == 0 && mdl_exchange_own(f->x)[i].count == (i == 2 ? 0 : COUNT));
    cr_assert_eq(mdl_division_elements(mdl_exchange_division(f->x)), 2 * COUNT);
    fixture_free(f);
}

Test(exchange, needs_shards)
{
    fixture *f = fixture_new(false);
    eng_error err = {0};
    mdl_exchange *none;
    mdl_exchange_options o = options_of(f, false);
    o.shards = 0;
    cr_assert_eq(mdl_exchange_new(&o, &f->params, 1, &f->e->ctx.k, &none, &err), ENG_E_USAGE);
    cr_assert_null(none);
    mdl_exchange_free(none);
    fixture_free(f);
}

/* A step with some shards present: the sums, their norm, and what w - 0.37 sum leaves of the weights. How many of those
 * bf16 has rounded. */
static size_t check_step(fixture *f, bool bf16, size_t mask)
{
    bool present[SHARDS];
    eng_context *ctx = &f->e->ctx;
    float *before = eng_alloc(2 * COUNT, sizeof *before);
    for (size_t s = 0; s < SHARDS; s++) present[s] = mask >> s & 1;
    mdl_exchange_begin(f->x, present);
    for (size_t s = 0; s < SHARDS; s++) {
        if (!present[s]) continue;
        const mdl_watch *watch = mdl_exchange_watch(f->x, s, true);
        watch->before(watch->arg, 0);
        for (size_t p = 0; p < 2; p++)
            for (size_t i = 0; i < COUNT; i++) f->grad[p][i] += gradient(s, p, i);
        watch->after(watch->arg, 0);
        mdl_exchange_take(f->x, ctx, s);
    }
    mdl_exchange_sum(f->x, ctx);
    double squares = 0;
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < COUNT; i++) {
            float sum = 0;
            for (size_t s = 0; s < SHARDS; s++) sum += present[s] ? gradient(s, p, i) : 0;
            cr_assert_eq(f->grad[p][i], sum, "mask %zx, parameter %zu, element %zu", mask, p, i);
            squares += (double)sum * (double)sum;
        }
    cr_assert_eq(mdl_exchange_norm(f->x, ctx), sqrt(squares), "whole numbers: every sum of squares is exact");
    mdl_exchange_keep(f->x);
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < COUNT; i++) {
            before[p * COUNT + i] = f->data[p][i];
            f->data[p][i] -= 0.37f * f->grad[p][i];
            f->grad[p][i] = 0;
        }
    mdl_exchange_give(f->x);
    mdl_exchange_settle(f->x);
    mdl_exchange_share(f->x);
    size_t rounded = 0;
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < COUNT; i++) {
            const float w = before[p * COUNT + i];
            float sum = 0;
            for (size_t s = 0; s < SHARDS; s++) sum += present[s] ? gradient(s, p, i) : 0;
            float step = w - 0.37f * sum - w;
            const float exact = w - 0.37f * sum;
            uint32_t bits;
            memcpy(&bits, &step, sizeof bits);
            bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000; /* to bf16 */
            memcpy(&step, &bits, sizeof step);
            cr_assert_eq(f->data[p][i], bf16 ? w + step : exact, "mask %zx, weight %zu of parameter %zu", mask, i, p);
            rounded += f->data[p][i] != exact;
        }
    eng_free(before);
    return rounded;
}

Test(exchange, steps)
{
    for (int bf16 = 0; bf16 < 2; bf16++) {
        fixture *f = fixture_new(bf16);
        size_t rounded = 0;
        for (size_t mask = 0; mask < 1 << SHARDS; mask += support_emulated() ? 9 : 1) rounded += check_step(f, bf16, mask);
        cr_assert(bf16 ? rounded > 10000 : rounded == 0, "%zu", rounded);
        for (size_t i = 0; i < COUNT; i++) cr_assert_eq(f->grad[2][i], 0);
        cr_assert_eq(mdl_exchange_waited(f->x), 0);
        fixture_free(f);
    }
}
