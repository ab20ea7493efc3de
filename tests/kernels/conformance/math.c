/* Conformance of the element-wise kernels and of the conversions. */
#include "tests/support/compare.h"
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TAILS = 68 }; /* every n below is tried: more than four vectors of the widest tier */

/* ---- Maps of one operand ------------------------------------------------------------------------------------- */

typedef void (*conf_map)(size_t n, const float *x, float *y);
typedef double (*conf_share)(float x, float got, float want);

/* One call on x[n], in place or not, and three of its elements each by itself: the same bits in any company. */
static void map_case(conf_run *r, conf_map ref, conf_map sut, conf_share share, size_t n, const float *values,
                     bool in_place)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu%s", n, in_place ? " in place" : "");
    const float *x = conf_f32_copy(r, 1, n, n, values, n);
    float *want = conf_f32(r, 1, n, n);
    float *got = in_place ? conf_f32_copy(r, 1, n, n, values, n) : conf_f32(r, 1, n, n);
    ref(n, x, want);
    sut(n, in_place ? got : x, got);
    for (size_t i = 0; i < n; i++) {
        const double error = share(x[i], got[i], want[i]);
        char what[32] = "f";
        if (!(error <= 1.0)) snprintf(what, sizeof what, "f(%.9g)", x[i]);
        conf_expect_share(r, what, 0, i, got[i], want[i], error);
    }
    for (size_t i = 0; i < n; i += n / 3 + 1) {
        const float *x1 = conf_f32_copy(r, 1, 1, 1, x + i, 1);
        float *y1 = conf_f32(r, 1, 1, 1);
        sut(1, x1, y1);
        conf_expect_bits(r, "alone", 1, 1, got + i, 1, y1, 1);
    }
    conf_release(r, mark);
}

/* All lengths with all kinds of values; all floats at a stride; dense where the functions bend. */
static void map_cases(conf_run *r, conf_map ref, conf_map sut, conf_share share)
{
    enum { CHUNK = 1021 };
    float x[CHUNK];
    for (size_t n = 0; n < TAILS; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
            for (size_t i = 0; i < n; i++) x[i] = conf_value(r, (conf_values)v);
            map_case(r, ref, sut, share, n, x, n % 2 == 0);
        }
    uint64_t bits = conf_below(r, 5003);
    while (bits <= UINT32_MAX && !r->failed) {
        for (size_t i = 0; i < CHUNK; i++, bits += 5003) {
            const uint32_t u = (uint32_t)bits;
            memcpy(x + i, &u, sizeof u);
        }
        map_case(r, ref, sut, share, CHUNK, x, false);
    }
    static const float reach[] = {0.7f, 3.0f, 10.0f, 105.0f};
    for (size_t i = 0; i < 80 && !r->failed; i++) {
        for (size_t j = 0; j < CHUNK; j++) x[j] = conf_uniform(r, -reach[i % 4], reach[i % 4]);
        map_case(r, ref, sut, share, CHUNK, x, true);
    }
}

static double share_exact(float x, float got, float want)
{
    (void)x;
    return cmp_bits(&got, &want, 1, NULL, 0) ? 0.0 : INFINITY;
}

void conf_exp_f32(conf_run *r)
{
    map_cases(r, r->ref->exp_f32, r->sut->exp_f32, conf_share_exp);
}

void conf_tanh_f32(conf_run *r)
{
    map_cases(r, r->ref->tanh_f32, r->sut->tanh_f32, conf_share_tanh);
}

void conf_sigmoid_f32(conf_run *r)
{
    map_cases(r, r->ref->sigmoid_f32, r->sut->sigmoid_f32, conf_share_sigmoid);
}

void conf_gelu_f32(conf_run *r)
{
    map_cases(r, r->ref->gelu_f32, r->sut->gelu_f32, conf_share_gelu);
}

void conf_relu_f32(conf_run *r)
{
    map_cases(r, r->ref->relu_f32, r->sut->relu_f32, share_exact);
}

/* ---- Maps of two operands, exact ----------------------------------------------------------------------------- */

typedef void (*conf_map2)(size_t n, const float *a, const float *b, float *y);

static void map2_cases(conf_run *r, conf_map2 ref, conf_map2 sut)
{
    for (size_t n = 0; n < TAILS + 3; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT; v++)
            for (int aliased = 0; aliased < 3 && !r->failed; aliased++) { /* y is its own, a, b */
                const size_t mark = conf_mark(r), length = n < TAILS ? n : 1000 + n;
                conf_case(r, "n %zu values %zu aliased %d", length, v, aliased);
                float *a = conf_f32_filled(r, 1, length, length, (conf_values)v);
                float *b = conf_f32_filled(r, 1, length, length, (conf_values)v);
                float *want = conf_f32(r, 1, length, length), *own = conf_f32(r, 1, length, length);
                float *got = aliased == 0 ? own : aliased == 1 ? a : b;
                ref(length, a, b, want);
                sut(length, a, b, got);
                conf_expect_bits(r, "y", 1, length, got, length, want, length);
                conf_release(r, mark);
            }
}

void conf_add_f32(conf_run *r)
{
    map2_cases(r, r->ref->add_f32, r->sut->add_f32);
}

void conf_mul_f32(conf_run *r)
{
    map2_cases(r, r->ref->mul_f32, r->sut->mul_f32);
}

void conf_axpy_f32(conf_run *r)
{
    for (size_t n = 0; n < TAILS + 3; n++)
        for (size_t v = 0; v < CONF_VALUES_COUNT && !r->failed; v++) {
            const size_t mark = conf_mark(r), length = n < TAILS ? n : 1000 + n;
            const float alpha = conf_value(r, (conf_values)v);
            conf_case(r, "n %zu values %zu alpha %.9g", length, v, alpha);
            const float *x = conf_f32_filled(r, 1, length, length, (conf_values)v);
            float *want = conf_f32_filled(r, 1, length, length, (conf_values)v);
            float *got = conf_f32_copy(r, 1, length, length, want, length);
            r->ref->axpy_f32(length, alpha, x, want);
            r->sut->axpy_f32(length, alpha, x, got);
            conf_expect_bits(r, "y", 1, length, got, length, want, length);
            conf_release(r, mark);
        }
}

/* ---- Conversions --------------------------------------------------------------------------------------------- */

typedef void (*conf_widen)(size_t n, const uint16_t *x, float *y);
typedef void (*conf_narrow)(size_t n, const float *x, uint16_t *y);

/* All 65536 patterns, in calls of every length in turn. */
static void widen_cases(conf_run *r, conf_widen ref, conf_widen sut)
{
    uint32_t next = 0;
    for (size_t n = 0; next < 65536 && !r->failed; n = (n + 1) % TAILS) {
        const size_t mark = conf_mark(r);
        conf_case(r, "n %zu from %04x", n, (unsigned)next);
        uint16_t *x = conf_place(r, 1, n, n, sizeof *x);
        for (size_t i = 0; i < n; i++) x[i] = (uint16_t)next++;
        float *want = conf_f32(r, 1, n, n), *got = conf_f32(r, 1, n, n);
        ref(n, x, want);
        sut(n, x, got);
        conf_expect_bits(r, "y", 1, n, got, n, want, n);
        conf_release(r, mark);
    }
}

static void narrow_case(conf_run *r, conf_narrow ref, conf_narrow sut, size_t n, const float *values, uint16_t quiet)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "n %zu", n);
    const float *x = conf_f32_copy(r, 1, n, n, values, n);
    uint16_t *want = conf_place(r, 1, n, n, sizeof *want), *got = conf_place(r, 1, n, n, sizeof *got);
    ref(n, x, want);
    sut(n, x, got);
    for (size_t i = 0; i < n; i++) {
        const bool agrees = isnan(x[i]) ? (got[i] & quiet) == quiet : got[i] == want[i];
        if (!agrees) conf_fail(r, "f(%.9g) [%zu]: got %04x, want %04x", x[i], i, got[i], want[i]);
    }
    r->compared += n;
    conf_release(r, mark);
}

/* Around every 16-bit value and every middle between two (middle(h) is the one above h), then random values of all
 * kinds; calls of every length in turn. quiet: the bits that every quiet NaN of the format has set. */
static void narrow_cases(conf_run *r, conf_narrow ref, conf_narrow sut, conf_widen widen, uint16_t quiet)
{
    float x[TAILS + 6];
    size_t n = 0, have = 0;
    for (uint32_t h = 0; h < 65536 && !r->failed; h++) {
        const uint16_t pair[2] = {(uint16_t)h, (uint16_t)(h + 1)};
        float edge[2];
        widen(2, pair, edge);
        const float middle = 0.5f * edge[0] + 0.5f * edge[1], around[2] = {edge[0], middle};
        for (size_t i = 0; i < 2; i++)
            for (int step = -1; step <= 1; step++)
                x[have++] = step == 0 ? around[i] : nextafterf(around[i], step < 0 ? -INFINITY : INFINITY);
        if (have >= n) {
            narrow_case(r, ref, sut, n, x, quiet);
            have -= n;
            memmove(x, x + n, have * sizeof *x);
            n = (n + 1) % TAILS;
        }
    }
    for (size_t i = 0; i < 5000 && !r->failed; i++) {
        for (size_t j = 0; j < i % TAILS; j++) x[j] = conf_value(r, (conf_values)(i % CONF_VALUES_COUNT));
        narrow_case(r, ref, sut, i % TAILS, x, quiet);
    }
}

void conf_f16_to_f32(conf_run *r)
{
    widen_cases(r, r->ref->f16_to_f32, r->sut->f16_to_f32);
}

void conf_f32_to_f16(conf_run *r)
{
    narrow_cases(r, r->ref->f32_to_f16, r->sut->f32_to_f16, r->ref->f16_to_f32, 0x7e00);
}

void conf_bf16_to_f32(conf_run *r)
{
    widen_cases(r, r->ref->bf16_to_f32, r->sut->bf16_to_f32);
}

void conf_f32_to_bf16(conf_run *r)
{
    narrow_cases(r, r->ref->f32_to_bf16, r->sut->f32_to_bf16, r->ref->bf16_to_f32, 0x7fc0);
}
