/* Laying operands out as panels of units, in every precision. A row of k is converted first, where it lies contiguous;
 * then rows become columns of a panel by one kernel that moves units, whatever they hold. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/gemm/parts.h"

enum { ROUND_CHUNK = 512, ZERO_BYTE = 128 };

void eng_layout_row(const kern_table *k, eng_precision precision, size_t n, const float *x, float inverse_scale,
                    uint32_t *units)
{
    if (precision == ENG_BF16) {
        if (n % 2) units[n / 2] = 0;
        k->f32_to_bf16(n, x, (uint16_t *)units);
        return;
    }
    uint8_t *bytes = (uint8_t *)units;
    k->quantise_u8(n, x, inverse_scale, bytes);
    for (size_t i = n; i % 4; i++) bytes[i] = ZERO_BYTE;
}

float eng_quantised_scale(float absmax, float *inverse)
{
    *inverse = absmax > 128 * FLT_MIN && absmax <= FLT_MAX ? 127.0f / absmax : 0.0f;
    return *inverse > 0 ? absmax / 127.0f : isfinite(absmax) ? 0.0f : NAN;
}

size_t eng_layout_scratch(const eng_product_plan *p, size_t depth)
{
    return eng_left_depth(p, depth) * (p->blocks->mr > p->blocks->nr ? p->blocks->mr : p->blocks->nr);
}

/* Elements of k in units [p0, p0 + depth): the last unit may be filled in part. */
static size_t elements(const eng_product_plan *p, size_t p0, size_t depth)
{
    return eng_min(depth * p->group, p->b.k - p0 * p->group);
}

/* Floats rounded to bf16 in place. */
static void round_bf16(const kern_table *k, size_t n, float *x)
{
    uint16_t rounded[ROUND_CHUNK];
    for (size_t i = 0; i < n; i += ROUND_CHUNK) {
        size_t count = eng_min(ROUND_CHUNK, n - i);
        k->f32_to_bf16(count, x + i, rounded);
        k->bf16_to_f32(count, rounded, x + i);
    }
}

static inline __attribute__((always_inline)) void split_units(size_t count, size_t width, const uint32_t *x,
                                                              uint32_t *step, size_t panel)
{
    for (; count >= width; count -= width, x += width, step += panel) memcpy(step, x, width * sizeof *x);
    if (count) memcpy(step, x, count * sizeof *x);
}

/* A row of x that already is a step of k, `count` columns, to that step of panels `width` wide and `panel` units apart.
 * Constant widths become one or two moves. */
static void split_row(size_t count, size_t width, const uint32_t *x, uint32_t *step, size_t panel)
{
    switch (width) {
    case 4: split_units(count, 4, x, step, panel); break;
    case 6: split_units(count, 6, x, step, panel); break;
    case 8: split_units(count, 8, x, step, panel); break;
    case 16: split_units(count, 16, x, step, panel); break;
    default: split_units(count, width, x, step, panel);
    }
}

/* Runs of A that lies as [k, m], in bf16: a run's steps, then its columns to rows. */
static void transposed_runs(const eng_product_plan *p, size_t first, size_t rows, size_t p0, size_t depth,
                            uint32_t *steps, uint32_t *panels)
{
    size_t mr = p->blocks->mr, run = p->blocks->run, deep = eng_left_depth(p, depth);
    const float *a = p->a.data + p0 * 2 * p->a.ld + first;
    for (size_t i = 0; i < rows; i += mr)
        for (size_t u = 0; u < depth; u += run) {
            size_t count = eng_min(mr, rows - i), filled = eng_min(run, depth - u);
            for (size_t s = 0; s < filled; s++) {
                const float *low = a + 2 * (u + s) * p->a.ld + i;
                bool last = p0 + u + s + 1 == p->units && p->b.k % 2;
                p->k->f32_to_bf16_pairs(count, low, last ? NULL : low + p->a.ld, steps + s * mr);
            }
            p->k->gemm_pack(run, filled, count, (const float *)steps, mr, (float *)panels + i * deep + u * mr);
        }
}

/* A lies as [k, m]: its rows are steps of k. */
static void left_transposed(const eng_product_plan *p, size_t first, size_t rows, size_t p0, size_t depth,
                            void *scratch, uint32_t *panels)
{
    size_t mr = p->blocks->mr, group = p->group;
    if (p->blocks->run > 1) {
        transposed_runs(p, first, rows, p0, depth, scratch, panels);
        return;
    }
    const float *a = p->a.data + p0 * group * p->a.ld + first;
    if (p->precision == ENG_F32 || p->widened) {
        for (size_t i = 0; i < depth; i++)
            split_row(rows, mr, (const uint32_t *)(const void *)(a + i * p->a.ld), panels + i * mr, mr * depth);
        if (p->widened) round_bf16(p->k, eng_ceil_div(rows, mr) * mr * depth, (float *)panels);
        return;
    }
    for (size_t i = 0; i < depth; i++) {
        bool last = p0 + i + 1 == p->units && p->b.k % 2;
        p->k->f32_to_bf16_pairs(rows, a + 2 * i * p->a.ld, last ? NULL : a + (2 * i + 1) * p->a.ld, scratch);
        split_row(rows, mr, scratch, panels + i * mr, mr * depth);
    }
}

void eng_layout_left(const eng_product_plan *p, size_t first, size_t rows, size_t p0, size_t depth, void *scratch,
                     uint32_t *panels, float *row_scale)
{
    const kern_table *k = p->k;
    size_t mr = p->blocks->mr, run = p->blocks->run, deep = eng_left_depth(p, depth), n = elements(p, p0, depth);
    if (p->a.transposed) {
        left_transposed(p, first, rows, p0, depth, scratch, panels);
        return;
    }
    for (size_t i = 0; i < rows; i += mr) {
        size_t count = eng_min(mr, rows - i);
        const float *a = p->a.data + (first + i) * p->a.ld + p0 * p->group;
        float *panel = (float *)panels + i * deep;
        if (p->precision == ENG_F32 || p->widened) {
            k->gemm_pack(mr, count, depth, a, p->a.ld, panel);
            if (p->widened) round_bf16(k, mr * depth, panel);
            continue;
        }
        if (p->precision == ENG_BF16 && run > 1) {
            k->f32_to_bf16_runs(count, n, a, p->a.ld, run, mr * run, (uint32_t *)panel);
            continue;
        }
        uint32_t *units = scratch;
        for (size_t r = 0; r < count; r++) {
            float inverse = 0;
            if (p->precision == ENG_INT8)
                row_scale[i + r] = eng_quantised_scale(k->absmax_f32(n, a + r * p->a.ld), &inverse);
            eng_layout_row(k, p->precision, n, a + r * p->a.ld, inverse, units + r * deep);
            memset(units + r * deep + depth, 0, (deep - depth) * sizeof *units);
        }
        if (run == 1) {
            k->gemm_pack(mr, count, depth, scratch, depth, panel);
            continue;
        }
        for (size_t r = 0; r < count; r++)
            split_row(deep, run, units + r * deep, (uint32_t *)panel + r * run, mr * run);
    }
}

void eng_layout_right(const eng_product_plan *p, size_t first, size_t n, size_t p0, size_t depth, void *scratch,
                      uint32_t *panel)
{
    const kern_table *k = p->k;
    size_t nr = p->blocks->nr, ld = p->b.ld, group = p->group;
    bool floats = p->precision == ENG_F32;
    if (p->b.transposed) {
        const float *b = p->b.data + first * ld + p0 * group;
        if (floats) {
            k->gemm_pack(nr, n, depth, b, ld, (float *)panel);
        } else {
            for (size_t j = 0; j < n; j++)
                eng_layout_row(k, p->precision, elements(p, p0, depth), b + j * ld, 0, (uint32_t *)scratch + j * depth);
            k->gemm_pack(nr, n, depth, scratch, depth, (float *)panel);
        }
    } else {
        const float *b = p->b.data + p0 * group * ld + first;
        for (size_t i = 0; i < depth; i++) {
            bool last = p0 + i + 1 == p->units && p->b.k % 2;
            if (floats)
                memcpy(panel + i * nr, b + i * ld, n * sizeof *panel);
            else
                k->f32_to_bf16_pairs(n, b + 2 * i * ld, last ? NULL : b + (2 * i + 1) * ld, panel + i * nr);
            memset(panel + i * nr + n, 0, (nr - n) * sizeof *panel);
        }
    }
}

void eng_layout_widened(const eng_product_plan *p, size_t first, size_t p0, size_t depth, float *panel)
{
    const eng_packed *w = p->b.packed;
    size_t nr = w->nr;
    const uint32_t *units = w->panels + first * w->units + p0 / 2 * nr;
    for (size_t i = 0; i < depth; i += 2)
        p->k->bf16_pairs_to_f32(nr, units + i / 2 * nr, panel + i * nr, i + 1 < depth ? panel + (i + 1) * nr : NULL);
}
