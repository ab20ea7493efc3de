/* Matrix products of the engine against their definition, in every precision, with packed and with loose operands, on
 * one and on two threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/gemm/gemm.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

static char report[256];

typedef struct gemm_operands {
    size_t m, n, k, lda;
    float *a, *w, *bias, *residual; /* w [n, k] */
    float *got, *want;              /* [m, n] */
} gemm_operands;

static gemm_operands operands(size_t m, size_t n, size_t k, size_t lda)
{
    size_t span = m ? (m - 1) * lda + k : 0;
    gemm_operands o = {.m = m, .n = n, .k = k, .lda = lda};
    o.a = support_normal(1, span + 1, 1), o.w = support_normal(2, n * k + 1, 1);
    o.bias = support_normal(3, n + 1, 1), o.residual = support_normal(4, m * n + 1, 1);
    o.got = eng_alloc_zero(m * n + 1, sizeof *o.got), o.want = eng_alloc_zero(m * n + 1, sizeof *o.want);
    cr_assert(o.got && o.want);
    return o;
}

static void release(gemm_operands *o)
{
    eng_free(o->a), eng_free(o->w), eng_free(o->bias), eng_free(o->residual), eng_free(o->got), eng_free(o->want);
}

/* The kernels here without some of what the CPU has beyond the tier: what it has hides ways that others take. Without the
 * mark that they are slow its bf16 instructions are used. */
static const unsigned left_out[] = {0, KERN_CAP_AMX, KERN_CAP_AMX | KERN_CAP_SLOW_BF16,
                                    KERN_CAP_AMX | KERN_CAP_AVX512_BF16 | KERN_CAP_AVX512_VNNI | KERN_CAP_NEON_DOT};
enum { LEFT_OUT = sizeof left_out / sizeof *left_out };

static support_engine *engine_without(size_t threads, size_t which)
{
    support_engine *e = support_engine_new(threads);
    cr_assert(kern_table_fill(&e->ctx.k, e->ctx.k.tier, e->ctx.k.caps & ~left_out[which]));
    return e;
}

static eng_packed pack(support_engine *e, eng_precision precision, const gemm_operands *o)
{
    eng_packed packed;
    cr_assert_eq(eng_packed_new(&e->ctx.k, precision, o->n, o->k, &packed, NULL), ENG_OK);
    cr_assert(eng_packed_fill(&e->ctx.k, eng_pool_scratch(e->ctx.pool, 0), &packed, 0, o->n, o->w, o->k));
    return packed;
}

/* On one thread, on two, and within a task: the same bits each time. The first result stays in o->got. */
static void run_packed(support_engine *one, support_engine *two, gemm_operands *o, const eng_packed *packed,
                       const eng_epilogue *e)
{
    eng_gemm(&one->ctx, o->m, o->a, o->lda, packed, o->got, o->n, e);
    cr_assert(eng_good(&one->ctx), "%s", one->ctx.error.message);
    if (!o->m || !o->n) return;
    float *again = eng_alloc_zero(o->m * o->n, sizeof *again);
    eng_gemm(&two->ctx, o->m, o->a, o->lda, packed, again, o->n, e);
    cr_assert(cmp_bits(again, o->got, o->m * o->n, report, sizeof report), "2 threads: %s", report);
    memset(again, 0, o->m * o->n * sizeof *again);
    cr_assert(
        eng_gemm_serial(&one->ctx.k, eng_pool_scratch(one->ctx.pool, 0), o->m, o->a, o->lda, packed, again, o->n, e));
    cr_assert(cmp_bits(again, o->got, o->m * o->n, report, sizeof report), "serial: %s", report);
    /* a row by itself */
    size_t i = o->m / 2;
    eng_epilogue row = *e;
    if (row.residual) row.residual += i * row.ldr;
    eng_gemm(&one->ctx, 1, o->a + i * o->lda, o->lda, packed, again, o->n, &row);
    cr_assert(cmp_bits(again, o->got + i * o->n, o->n, report, sizeof report), "row %zu alone: %s", i, report);
    eng_free(again);
}

static float finish(const gemm_operands *o, size_t i, size_t j, float sum)
{
    sum += o->bias[j];
    return (sum > 0 ? sum : 0) + o->residual[i * o->n + j];
}

static const size_t shapes[][4] = {
    {1, 1, 1, 1},          {0, 5, 3, 3},         {3, 7, 0, 1},
    {37, 65, 300, 300},    {300, 33, 10, 5},     /* overlapping rows: the first convolution */
    {65, 40, 700, 64},                           /* and the positional one */
    {130, 200, 96, 64},                          /* and one of those between */
    {13, 130, 1030, 1031}, {260, 300, 520, 533}, /* several blocks each way */
    {7, 70, 8200, 8200},   {9, 1100, 20, 20},    /* several slices of a loose operand, and strips */
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

Test(gemm, f32_is_one_chain_of_multiply_adds)
{
    support_engine *one = support_engine_new(1), *two = support_engine_new(2);
    for (size_t s = 0; s < SHAPES; s++) {
        gemm_operands o = operands(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
        eng_packed packed = pack(one, ENG_F32, &o);
        run_packed(one, two, &o, &packed, &(eng_epilogue){o.bias, KERN_ACT_RELU, o.residual, o.n});
        for (size_t i = 0; i < o.m; i++)
            for (size_t j = 0; j < o.n; j++) {
                float sum = 0;
                for (size_t p = 0; p < o.k; p++) sum = fmaf(o.a[i * o.lda + p], o.w[j * o.k + p], sum);
                o.want[i * o.n + j] = finish(&o, i, j, sum);
            }
        if (o.m && o.n)
            cr_assert(cmp_bits(o.got, o.want, o.m * o.n, report, sizeof report), "shape %zu: %s", s, report);
        eng_packed_free(&packed);
        release(&o);
    }
    support_engine_free(one), support_engine_free(two);
}

static void round_all(const kern_table *k, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        k->f32_to_bf16(1, &x[i], &half);
        k->bf16_to_f32(1, &half, &x[i]);
    }
}

/* want and got agree within the rounding of sums of k terms whose magnitudes add up to size. */
static void expect_sum(float got, double want, double size, size_t k, size_t shape)
{
    double bound = ((double)k + 4) * 0x1p-24 * size;
    cr_assert(fabs((double)got - want) <= bound, "shape %zu: %.9g for %.9g, off by %.2g, allowed %.2g", shape,
              (double)got, want, fabs((double)got - want), bound);
}

static void bf16_cases(size_t which)
{
    support_engine *one = engine_without(1, which), *two = engine_without(2, which);
    const kern_table *k = &one->ctx.k;
    for (size_t s = 0; s < SHAPES; s++) {
        gemm_operands o = operands(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
        eng_packed packed = pack(one, ENG_BF16, &o);
        run_packed(one, two, &o, &packed, &(eng_epilogue){NULL, KERN_ACT_NONE, o.residual, o.n});
        round_all(k, o.m ? (o.m - 1) * o.lda + o.k : 0, o.a);
        round_all(k, o.n * o.k, o.w);
        for (size_t i = 0; i < o.m; i++)
            for (size_t j = 0; j < o.n; j++) {
                double sum = o.residual[i * o.n + j], size = fabs(sum);
                for (size_t p = 0; p < o.k; p++) {
                    double term = (double)o.a[i * o.lda + p] * (double)o.w[j * o.k + p];
                    sum += term, size += fabs(term);
                }
                expect_sum(o.got[i * o.n + j], sum, size, o.k, s);
            }
        eng_packed_free(&packed);
        release(&o);
    }
    support_engine_free(one), support_engine_free(two);
}

Test(gemm, bf16_rounds_both_operands_and_sums_in_f32)
{
    for (size_t which = 0; which < LEFT_OUT; which++) bf16_cases(which);
}

/* round(x * 127 / max|x|), and the scale max|x| / 127. */
static float quantise(size_t n, const float *x, int *q)
{
    float most = 0;
    for (size_t i = 0; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    float inverse = most > 0 ? 127.0f / most : 0;
    for (size_t i = 0; i < n; i++) q[i] = (int)rintf(x[i] * inverse);
    return most / 127.0f;
}

static void int8_cases(size_t which)
{
    support_engine *one = engine_without(1, which), *two = engine_without(2, which);
    for (size_t s = 0; s < SHAPES; s++) {
        gemm_operands o = operands(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
        for (size_t p = 0; p < o.k && o.m > 2; p++) o.w[p] = 0; /* a row of zeros */
        eng_packed packed = pack(one, ENG_INT8, &o);
        run_packed(one, two, &o, &packed, &(eng_epilogue){o.bias, KERN_ACT_RELU, o.residual, o.n});
        int *a = eng_alloc(o.k + 1, sizeof *a), *w = eng_alloc(o.n * o.k + 1, sizeof *w);
        float *scale = eng_alloc(o.n + 1, sizeof *scale);
        for (size_t j = 0; j < o.n; j++) scale[j] = quantise(o.k, o.w + j * o.k, w + j * o.k);
        for (size_t i = 0; i < o.m; i++) {
            float row_scale = quantise(o.k, o.a + i * o.lda, a);
            for (size_t j = 0; j < o.n; j++) {
                int sum = 0;
                for (size_t p = 0; p < o.k; p++) sum += a[p] * w[j * o.k + p];
                o.want[i * o.n + j] = finish(&o, i, j, (float)sum * (row_scale * scale[j]));
            }
        }
        if (o.m && o.n)
            cr_assert(cmp_bits(o.got, o.want, o.m * o.n, report, sizeof report), "shape %zu: %s", s, report);
        eng_free(a), eng_free(w), eng_free(scale);
        eng_packed_free(&packed);
        release(&o);
    }
    support_engine_free(one), support_engine_free(two);
}

Test(gemm, int8_multiplies_what_was_quantised_row_by_row)
{
    for (size_t which = 0; which < LEFT_OUT; which++) int8_cases(which);
}

Test(gemm, int8_does_not_hide_what_is_not_finite)
{
    support_engine *one = support_engine_new(1);
    gemm_operands o = operands(4, 3, 9, 9);
    o.a[0] = NAN, o.a[9] = INFINITY, o.a[18 + 8] = -INFINITY;
    eng_packed packed = pack(one, ENG_INT8, &o);
    eng_gemm(&one->ctx, o.m, o.a, o.lda, &packed, o.got, o.n, NULL);
    for (size_t i = 0; i < 12; i++) cr_assert_eq(isfinite(o.got[i]) != 0, i >= 9, "[%zu]: %g", i, (double)o.got[i]);
    eng_packed_free(&packed);
    release(&o);
    support_engine_free(one);
}

/* Loose operands, as the backward pass has them: either side as it lies or transposed, added to what is there. */
static void loose_case(support_engine *one, support_engine *two, eng_precision precision, size_t shape, bool left,
                       bool right)
{
    gemm_operands o = operands(shapes[shape][0], shapes[shape][1], shapes[shape][2], shapes[shape][2]);
    const kern_table *k = &one->ctx.k;
    float *a = eng_alloc(o.m * o.k + 1, sizeof *a), *b = eng_alloc(o.n * o.k + 1, sizeof *b);
    for (size_t i = 0; i < o.m; i++)
        for (size_t p = 0; p < o.k; p++) a[left ? p * o.m + i : i * o.k + p] = o.a[i * o.lda + p];
    for (size_t j = 0; j < o.n; j++)
        for (size_t p = 0; p < o.k; p++) b[right ? j * o.k + p : p * o.n + j] = o.w[j * o.k + p];
    eng_left l = {a, left ? o.m : o.k, left};
    eng_right r = {.n = o.n, .k = o.k, .data = b, .ld = right ? o.k : o.n, .transposed = right, .precision = precision};
    memcpy(o.got, o.residual, o.m * o.n * sizeof *o.got);
    memcpy(o.want, o.residual, o.m * o.n * sizeof *o.got);
    eng_product(&one->ctx, o.m, l, r, o.got, o.n, true, NULL);
    eng_product(&two->ctx, o.m, l, r, o.want, o.n, true, NULL);
    if (o.m && o.n) cr_assert(cmp_bits(o.want, o.got, o.m * o.n, report, sizeof report), "2 threads: %s", report);
    memcpy(o.want, o.residual, o.m * o.n * sizeof *o.got);
    cr_assert(eng_product_serial(k, eng_pool_scratch(one->ctx.pool, 0), o.m, l, r, o.want, o.n, true, NULL));
    if (o.m && o.n) cr_assert(cmp_bits(o.want, o.got, o.m * o.n, report, sizeof report), "serial: %s", report);
    if (precision == ENG_BF16) round_all(k, o.m * o.k, o.a), round_all(k, o.n * o.k, o.w);
    for (size_t i = 0; i < o.m; i++)
        for (size_t j = 0; j < o.n; j++) {
            double sum = o.residual[i * o.n + j], size = fabs(sum);
            for (size_t p = 0; p < o.k; p++) {
                double term = (double)o.a[i * o.lda + p] * (double)o.w[j * o.k + p];
                sum += term, size += fabs(term);
            }
            expect_sum(o.got[i * o.n + j], sum, size, o.k, shape);
        }
    eng_free(a), eng_free(b);
    release(&o);
}

Test(gemm, loose_operands_either_way_round)
{
    for (size_t which = 0; which < LEFT_OUT; which++) {
        support_engine *one = engine_without(1, which), *two = engine_without(2, which);
        for (size_t shape = 0; shape < SHAPES; shape++)
            for (unsigned variant = which ? 4 : 0; variant < 8; variant++)
                loose_case(one, two, variant & 4 ? ENG_BF16 : ENG_F32, shape, variant & 1, variant & 2);
        support_engine_free(one), support_engine_free(two);
    }
}

/* A weight as it lies, in training, gives the bits of the packed one, with everything that follows the product. */
Test(gemm, a_loose_weight_is_as_good_as_a_packed_one)
{
    support_engine *one = support_engine_new(1), *two = support_engine_new(2);
    for (size_t s = 0; s < SHAPES; s++)
        for (unsigned precision = ENG_F32; shapes[s][0] && precision <= ENG_BF16; precision++) {
            gemm_operands o = operands(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
            eng_packed packed = pack(one, precision, &o);
            eng_epilogue e = {o.bias, KERN_ACT_RELU, o.residual, o.n};
            eng_left a = {o.a, o.lda, false};
            eng_right w = {.n = o.n, .k = o.k, .data = o.w, .ld = o.k, .transposed = true, .precision = precision};
            eng_gemm(&one->ctx, o.m, o.a, o.lda, &packed, o.want, o.n, &e);
            eng_product(&two->ctx, o.m, a, w, o.got, o.n, false, &e);
            cr_assert(cmp_bits(o.got, o.want, o.m * o.n, report, sizeof report), "shape %zu: %s", s, report);
            memset(o.got, 0, o.m * o.n * sizeof *o.got);
            eng_arena *scratch = eng_pool_scratch(one->ctx.pool, 0);
            cr_assert(eng_product_serial(&one->ctx.k, scratch, o.m, a, w, o.got, o.n, false, &e));
            cr_assert(cmp_bits(o.got, o.want, o.m * o.n, report, sizeof report), "shape %zu, serial: %s", s, report);
            eng_packed_free(&packed);
            release(&o);
        }
    support_engine_free(one), support_engine_free(two);
}
