/* Engine: arenas, threads, random numbers, and each op against its definition in double precision, with the promise
 * that bits depend neither on the batch nor on the number of threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/ops/attention.h"
#include "engine/gemm/gemm.h"
#include "engine/ops/grouped_conv.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/random.h"
#include "engine/tape.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

static char report[512];

/* ---- Memory ---- */

Test(memory, sizes_are_checked)
{
    size_t out;
    cr_assert_not(eng_mul_size(SIZE_MAX / 2, 3, &out));
    cr_assert_not(eng_add_size(SIZE_MAX, 1, &out));
    cr_assert(eng_mul_size(6, 7, &out) && out == 42);
    cr_assert_null(eng_alloc(SIZE_MAX / 2, 4));
    cr_assert_null(eng_alloc(SIZE_MAX, 1));
    void *nothing = eng_alloc(0, 8);
    cr_assert_not_null(nothing);
    eng_free(nothing);
}

/* Rounds of blocks that are larger from one to the next: those of one round fit no chunk of the round before. */
Test(memory, an_arena_holds_no_more_than_a_round_needs)
{
    eng_arena a;
    eng_arena_init(&a);
    size_t need = 0;
    for (size_t round = 0; round < 20; round++) {
        const size_t bytes = ((size_t)5 << 20) + (round << 16);
        const eng_arena_mark outer = eng_arena_save(&a), inner = eng_arena_save(&a);
        for (size_t i = 0; i < 8; i++) {
            char *block = eng_arena_alloc(&a, bytes, 1);
            cr_assert_not_null(block);
            block[0] = block[bytes - 1] = 1;
        }
        eng_arena_rewind(&a, inner);
        eng_arena_rewind(&a, outer);
        need = 8 * bytes;
    }
    cr_assert_gt(need, 0);
    cr_assert_leq(a.total, 2 * need, "%zu bytes for %zu", a.total, need);
    eng_arena_fini(&a);
}

Test(memory, arena_rewinds_and_aligns)
{
    eng_arena a;
    eng_arena_init(&a);
    char *first = eng_arena_alloc(&a, 3, 1);
    eng_arena_mark mark = eng_arena_save(&a);
    char *second = eng_arena_alloc(&a, 100, 4);
    cr_assert_eq((uintptr_t)first % 64, 0);
    cr_assert_eq((uintptr_t)second % 64, 0);
    char *large = eng_arena_alloc(&a, (size_t)9 << 20, 1);
    cr_assert_not_null(large);
    memset(large, 1, (size_t)9 << 20);
    size_t total = a.total;
    eng_arena_rewind(&a, mark);
    cr_assert_eq(eng_arena_alloc(&a, 100, 4), second, "a rewound arena gives the same place again");
    cr_assert_eq(eng_arena_alloc(&a, (size_t)9 << 20, 1), large, "and keeps its chunks");
    cr_assert_eq(a.total, total);
    cr_assert_null(eng_arena_alloc(&a, SIZE_MAX / 2, 4));
    eng_arena_rewind(&a, (eng_arena_mark){0});
    eng_arena_trim(&a);
    cr_assert_eq(a.total, 0);
    eng_arena_fini(&a);
}

/* ---- Threads ---- */

typedef struct count_run {
    unsigned char *seen;
    size_t workers;
} count_run;

static void count_task(void *arg, size_t task, size_t worker)
{
    count_run *r = arg;
    r->seen[task]++;
    if (worker >= r->workers) r->seen[task] = 99;
}

Test(threads, every_task_runs_once)
{
    for (size_t threads = 1; threads <= 5; threads++) {
        eng_pool *pool;
        cr_assert_eq(eng_pool_new(threads, &pool, NULL), ENG_OK);
        for (size_t tasks = 0; tasks < 40; tasks++) {
            unsigned char seen[40] = {0};
            count_run run = {seen, threads};
            eng_pool_run(pool, tasks, count_task, &run);
            for (size_t i = 0; i < 40; i++) cr_assert_eq(seen[i], i < tasks);
        }
        eng_pool_free(pool);
    }
}

typedef struct stopping_run {
    eng_pool *pool;
    atomic_bool stop;
    atomic_size_t done;
} stopping_run;

/* The tenth task calls off, and takes it back. */
static void stopping_task(void *arg, size_t task, size_t worker)
{
    (void)task;
    (void)worker;
    stopping_run *r = arg;
    if (atomic_fetch_add(&r->done, 1) + 1 != 10) return;
    atomic_store(&r->stop, true);
    cr_assert(eng_pool_stopped(r->pool));
    atomic_store(&r->stop, false);
}

Test(threads, a_pool_that_was_called_off_leaves_tasks_out)
{
    enum { TASKS = 100000 };
    for (size_t threads = 1; threads <= 4; threads++) {
        stopping_run run = {.stop = false};
        cr_assert_eq(eng_pool_new(threads, &run.pool, NULL), ENG_OK);
        eng_pool_watch(run.pool, &run.stop);
        eng_pool_run(run.pool, TASKS, stopping_task, &run);
        cr_assert(eng_pool_stopped(run.pool), "it was taken back, and tasks are missing");
        cr_assert(atomic_load(&run.done) >= 10 && atomic_load(&run.done) < TASKS, "%zu tasks", atomic_load(&run.done));
        size_t before = atomic_load(&run.done);
        eng_pool_run(run.pool, TASKS, stopping_task, &run);
        cr_assert_eq(atomic_load(&run.done), before, "it stays called off");
        eng_pool_watch(run.pool, NULL);
        eng_pool_run(run.pool, 1000, stopping_task, &run);
        cr_assert_eq(atomic_load(&run.done), before + 1000);
        cr_assert_not(eng_pool_stopped(run.pool));
        eng_pool_free(run.pool);
    }
}

/* ---- Random numbers ---- */

Test(random, philox_known_answers) /* Random123's kat_vectors, philox4x32 10 */
{
    static const uint32_t key[3][2] = {{0, 0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
    static const uint32_t counter[3][4] = {{0, 0, 0, 0},
                                           {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                                           {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    static const uint32_t want[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                        {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (size_t i = 0; i < 3; i++) {
        uint32_t got[4];
        eng_philox(key[i], counter[i], got);
        for (size_t j = 0; j < 4; j++) cr_assert_eq(got[j], want[i][j], "vector %zu word %zu: %08x", i, j, got[j]);
    }
}

Test(random, uniform_numbers_are_philox_words) /* also where the index wraps */
{
    enum { N = 100 };
    static const uint32_t starts[] = {0, 1, 6, 1000003, UINT32_MAX - 49};
    eng_stream s = {.seed = 0x123456789abcdef0, .step = 3, .utterance = 2, .purpose = 5};
    for (size_t c = 0; c < sizeof starts / sizeof *starts; c++) {
        float got[N], want[N];
        for (size_t i = 0; i < N; i++) {
            uint32_t at = starts[c] + (uint32_t)i, words[4];
            eng_philox((uint32_t[]){0x9abcdef0, 0x12345678}, (uint32_t[]){at / 4, 3, 2, 5}, words);
            want[i] = (float)(words[at % 4] >> 8) / 16777216;
        }
        eng_uniform(s, starts[c], N, got);
        cr_assert(cmp_bits(got, want, N, report, sizeof report), "from %u: %s", (unsigned)starts[c], report);
    }
}

Test(random, streams_are_positions)
{
    enum { N = 4000 };
    static float whole[N], part[N];
    eng_stream s = {.seed = 7, .step = 3, .utterance = 2, .purpose = 5};
    eng_uniform(s, 0, N, whole);
    eng_uniform(s, 37, N - 37, part);
    cr_assert(cmp_bits(part, whole + 37, N - 37, report, sizeof report), "%s", report);
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        cr_assert(whole[i] >= 0 && whole[i] < 1);
        sum += whole[i];
    }
    cr_assert(fabs(sum / N - 0.5) < 0.02, "mean %g", sum / N);
    s.step = 4;
    eng_uniform(s, 0, N, part);
    cr_assert_not(cmp_abs(part, whole, N, 0.01, report, sizeof report), "another step, other numbers");
    eng_normal(s, 0, N, whole);
    double squares = 0;
    sum = 0;
    for (size_t i = 0; i < N; i++) {
        sum += whole[i];
        squares += whole[i] * whole[i];
    }
    cr_assert(fabs(sum / N) < 0.06 && fabs(squares / N - 1) < 0.1, "mean %g, variance %g", sum / N, squares / N);
}

/* ---- Attention ---- */

/* Definition, in double, of one utterance and head. */
static void attend(size_t frames, size_t dim, const float *qkv, size_t stride, size_t width, const float *gate,
                   const float *bias, float *out, size_t ldo)
{
    double *p = eng_alloc(frames, sizeof *p);
    for (size_t q = 0; q < frames; q++) {
        double most = -INFINITY, sum = 0;
        for (size_t k = 0; k < frames; k++) {
            double s = 0;
            for (size_t d = 0; d < dim; d++) s += (double)qkv[q * stride + d] * qkv[k * stride + width + d];
            p[k] = s / sqrt((double)dim) + (double)gate[q] * bias[(ptrdiff_t)k - (ptrdiff_t)q];
            if (p[k] > most) most = p[k];
        }
        for (size_t k = 0; k < frames; k++) sum += p[k] = exp(p[k] - most);
        for (size_t d = 0; d < dim; d++) {
            double o = 0;
            for (size_t k = 0; k < frames; k++) o += p[k] * qkv[k * stride + 2 * width + d];
            out[q * ldo + d] = (float)(o / sum);
        }
    }
    eng_free(p);
}

/* got is neither what f32 gives nor what is computed where bf16 is not fast, or for a tape; int8 asks for the same. */
static void bf16_where_it_is_fast(support_engine *e, eng_batch batch, eng_tensor qkv, size_t heads, eng_tensor gate,
                                  eng_relative_bias bias, eng_tensor got)
{
    size_t count = got.rows * got.cols;
    eng_tensor int8 = eng_attention(&e->ctx, batch, qkv, heads, gate, bias, ENG_INT8);
    cr_assert(cmp_bits(int8.data, got.data, count, report, sizeof report), "int8: %s", report);
    eng_tensor f32 = eng_attention(&e->ctx, batch, qkv, heads, gate, bias, ENG_F32);
    cr_assert(!cmp_bits(f32.data, got.data, count, report, sizeof report));
    eng_tape tape;
    eng_tape_init(&tape);
    e->ctx.tape = &tape;
    eng_tensor recorded = eng_attention(&e->ctx, batch, qkv, heads, gate, bias, ENG_BF16);
    e->ctx.tape = NULL;
    cr_assert(cmp_bits(recorded.data, f32.data, count, report, sizeof report), "on a tape: %s", report);
    eng_tape_fini(&tape);
    e->ctx.k.bf16_is_fast = false;
    eng_tensor slow = eng_attention(&e->ctx, batch, qkv, heads, gate, bias, ENG_BF16);
    cr_assert(cmp_bits(slow.data, f32.data, count, report, sizeof report), "not fast: %s", report);
}

/* In bf16 on kernels that are told to have it fast: numbers that bf16 holds as they are leave the rounding of the weights,
 * 2^-9 of each, and what it does to sums of values of about 1. */
static void attention_case(eng_precision precision, double bound)
{
    static const size_t lengths[] = {1, 300, 57, 2, 577}; /* the last: a key more than a tile */
    enum { N = 5, HEADS = 3, DIM = 21, WIDTH = HEADS * DIM, REACH = 580 };
    support_engine *one = support_engine_new(1), *two = support_engine_new(2);
    one->ctx.k.bf16_is_fast = two->ctx.k.bf16_is_fast = precision == ENG_BF16;
    size_t offset[N + 1] = {0};
    for (size_t i = 0; i < N; i++) offset[i + 1] = offset[i] + lengths[i];
    size_t frames = offset[N];
    eng_tensor qkv = {support_normal(11, frames * 3 * WIDTH, 1), frames, 3 * WIDTH, 3 * WIDTH, NULL};
    uint16_t rounded[3 * WIDTH];
    for (size_t i = 0; i < frames && precision == ENG_BF16; i++) {
        one->ctx.k.f32_to_bf16(3 * WIDTH, eng_row(qkv, i), rounded);
        one->ctx.k.bf16_to_f32(3 * WIDTH, rounded, eng_row(qkv, i));
    }
    eng_tensor gate = {support_normal(12, HEADS * frames, 1), HEADS, frames, frames, NULL};
    float *table = support_normal(13, HEADS * (2 * REACH - 1), 1);
    float *want = eng_alloc(frames * WIDTH, sizeof *want);
    for (size_t u = 0; u < N; u++)
        for (size_t h = 0; h < HEADS; h++)
            attend(lengths[u], DIM, qkv.data + offset[u] * qkv.stride + h * DIM, qkv.stride, WIDTH,
                   gate.data + h * frames + offset[u], table + h * (2 * REACH - 1) + REACH - 1,
                   want + offset[u] * WIDTH + h * DIM, WIDTH);
    eng_relative_bias bias = {table, REACH, NULL};
    eng_tensor got = eng_attention(&one->ctx, (eng_batch){N, offset}, qkv, HEADS, gate, bias, precision);
    cr_assert(cmp_abs(got.data, want, frames * WIDTH, bound, report, sizeof report), "%s", report);
    eng_tensor again = eng_attention(&two->ctx, (eng_batch){N, offset}, qkv, HEADS, gate, bias, precision);
    cr_assert(cmp_bits(again.data, got.data, frames * WIDTH, report, sizeof report), "2 threads: %s", report);
    for (size_t u = 0; u < N; u++) {
        size_t alone[2] = {0, lengths[u]};
        eng_tensor part = eng_rows(qkv, offset[u], lengths[u]);
        eng_tensor g = {gate.data + offset[u], HEADS, lengths[u], gate.stride, NULL};
        eng_tensor single = eng_attention(&one->ctx, (eng_batch){1, alone}, part, HEADS, g, bias, precision);
        cr_assert(cmp_bits(single.data, got.data + offset[u] * WIDTH, lengths[u] * WIDTH, report, sizeof report),
                  "utterance %zu alone: %s", u, report);
    }
    if (precision == ENG_BF16) bf16_where_it_is_fast(one, (eng_batch){N, offset}, qkv, HEADS, gate, bias, got);
    eng_free(qkv.data), eng_free(gate.data), eng_free(table), eng_free(want);
    support_engine_free(one);
    support_engine_free(two);
}

Test(ops, attention_matches_definition_in_any_batch)
{
    attention_case(ENG_F32, 5e-6);
}

Test(ops, attention_in_bf16_matches_definition_in_any_batch)
{
    attention_case(ENG_BF16, 5e-3);
}

/* ---- Grouped convolution ---- */

static void grouped_conv_case(support_engine *e, size_t kernel, size_t groups, size_t width)
{
    static const size_t offset[] = {0, 1, 400, 407};
    enum { N = 3, FRAMES = 407 };
    size_t channels = groups * width;
    eng_tensor x = {support_normal(21, FRAMES * channels, 1), FRAMES, channels, channels, NULL};
    float *w = support_normal(22, channels * kernel * width, 0.1f), *bias = support_normal(23, channels, 1);
    float *want = eng_alloc(FRAMES * channels, sizeof *want);
    eng_weight *packed = eng_alloc_zero(groups, sizeof *packed);
    for (size_t g = 0; g < groups; g++) {
        packed[g].n = width;
        packed[g].k = kernel * width;
        cr_assert_eq(eng_packed_new(&e->ctx.k, ENG_F32, width, kernel * width, &packed[g].packed, NULL), ENG_OK);
        cr_assert(eng_packed_fill(&e->ctx.k, eng_pool_scratch(e->ctx.pool, 0), &packed[g].packed, 0, width,
                                  w + g * width * kernel * width, kernel * width));
    }
    for (size_t u = 0; u < N; u++)
        for (size_t t = offset[u]; t < offset[u + 1]; t++)
            for (size_t o = 0; o < channels; o++) {
                double sum = bias[o];
                for (size_t tap = 0; tap < kernel; tap++) {
                    ptrdiff_t from = (ptrdiff_t)(t + tap) - (ptrdiff_t)(kernel / 2);
                    if (from < (ptrdiff_t)offset[u] || from >= (ptrdiff_t)offset[u + 1]) continue;
                    for (size_t c = 0; c < width; c++)
                        sum += (double)w[(o * kernel + tap) * width + c] *
                               x.data[(size_t)from * channels + o / width * width + c];
                }
                want[t * channels + o] = (float)((sum > 0 ? sum : 0) + x.data[t * channels + o]);
            }
    eng_grouped_conv_weights weights = {groups, kernel, packed, {bias, NULL}};
    eng_tensor got = eng_grouped_conv_residual(&e->ctx, (eng_batch){N, offset}, x, weights, KERN_ACT_RELU);
    cr_assert(cmp_abs(got.data, want, FRAMES * channels, 2e-5, report, sizeof report), "kernel %zu: %s", kernel,
              report);
    for (size_t g = 0; g < groups; g++) eng_packed_free(&packed[g].packed);
    eng_free(x.data), eng_free(w), eng_free(bias), eng_free(want), eng_free(packed);
}

Test(ops, grouped_conv_pads_each_utterance_with_zeros)
{
    support_engine *e = support_engine_new(2);
    grouped_conv_case(e, 16, 4, 12);
    grouped_conv_case(e, 5, 1, 7); /* odd kernel, one group */
    grouped_conv_case(e, 1, 2, 3);
    support_engine_free(e);
}

/* ---- Linear, layer norm ---- */

Test(ops, linear_and_layer_norm)
{
    enum { ROWS = 70, IN = 33, OUT = 41 };
    support_engine *e = support_engine_new(2);
    eng_tensor x = {support_normal(31, ROWS * IN, 2), ROWS, IN, IN, NULL};
    float *w = support_normal(32, OUT * IN, 1), *bias = support_normal(33, OUT, 1), *want = eng_alloc(ROWS * OUT, 4);
    eng_weight weight = {.n = OUT, .k = IN}, loose = {.n = OUT, .k = IN, .data = w};
    cr_assert_eq(eng_packed_new(&e->ctx.k, ENG_F32, OUT, IN, &weight.packed, NULL), ENG_OK);
    cr_assert(eng_packed_fill(&e->ctx.k, eng_pool_scratch(e->ctx.pool, 0), &weight.packed, 0, OUT, w, IN));
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < OUT; j++) {
            double sum = bias[j];
            for (size_t p = 0; p < IN; p++) sum += (double)x.data[i * IN + p] * w[j * IN + p];
            want[i * OUT + j] = (float)sum;
        }
    eng_tensor y = eng_linear(&e->ctx, x, &weight, (eng_vector){bias, NULL}, KERN_ACT_NONE, (eng_tensor){0});
    cr_assert(cmp_abs(y.data, want, ROWS * OUT, 2e-5, report, sizeof report), "%s", report);
    eng_tensor again = eng_linear(&e->ctx, x, &loose, (eng_vector){bias, NULL}, KERN_ACT_NONE, (eng_tensor){0});
    cr_assert(cmp_bits(again.data, y.data, ROWS * OUT, report, sizeof report), "not packed: %s", report);
    for (size_t i = 0; i < ROWS; i++) {
        double mean = 0, var = 0;
        for (size_t j = 0; j < OUT; j++) mean += y.data[i * OUT + j];
        mean /= OUT;
        for (size_t j = 0; j < OUT; j++) var += (y.data[i * OUT + j] - mean) * (y.data[i * OUT + j] - mean);
        for (size_t j = 0; j < OUT; j++)
            want[i * OUT + j] = (float)((y.data[i * OUT + j] - mean) / sqrt(var / OUT + 1e-5) * bias[j] + w[j]);
    }
    eng_tensor z = eng_layer_norm(&e->ctx, y, (eng_vector){bias, NULL}, (eng_vector){w, NULL}, 1e-5f);
    cr_assert(cmp_abs(z.data, want, ROWS * OUT, 5e-6, report, sizeof report), "%s", report);
    eng_packed_free(&weight.packed);
    eng_free(x.data), eng_free(w), eng_free(bias), eng_free(want);
    support_engine_free(e);
}

Test(ops, memory_running_out_is_an_error)
{
    support_engine *e = support_engine_new(1);
    eng_tensor t = eng_tensor_new(&e->ctx, SIZE_MAX / 8, 8);
    cr_assert_null(t.data);
    cr_assert_eq(e->ctx.error.status, ENG_E_MEMORY);
    eng_tensor after = eng_tensor_new(&e->ctx, 2, 2);
    cr_assert_null(after.data, "ops do nothing after an error");
    support_engine_free(e);
}
