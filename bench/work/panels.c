#include "bench/work/panels.h"

#include <string.h>

enum { STEPS = 31 }; /* of quantisation in 1: 4 goes to 124 */

/* The tile of that type. */
static const kern_gemm_blocks *blocks_of(const kern_table *k, panels_type type)
{
    return type == PANELS_F32 ? &k->gemm_blocks : type == PANELS_BF16 ? &k->bf16_blocks : &k->i8_blocks;
}

/* Rows of x as panels of the given width and run. Bytes of B are signed, and correction is not NULL. */
static void fill_rows(const kern_table *k, panels_type type, size_t rows, size_t width, size_t run, const float *x, float *scratch,
                      int32_t *correction, float *panels)
{
    const size_t n = PANELS_UNITS * type;
    for (size_t i = 0; i < rows; i++) {
        void *row = scratch + i * PANELS_UNITS;
        uint32_t *units = row;
        uint8_t *bytes = row;
        if (type == PANELS_F32) memcpy(row, x + i * n, n * sizeof *x);
        if (type == PANELS_BF16) k->f32_to_bf16(n, x + i * n, row);
        if (type == PANELS_I8) k->quantise_u8(n, x + i * n, STEPS, bytes);
        if (type != PANELS_I8 || correction == NULL) continue;
        int32_t sum = 0;
        for (size_t p = 0; p < n; p++) sum += bytes[p] - 128;
        for (size_t p = 0; p < PANELS_UNITS; p++) units[p] ^= 0x80808080u;
        correction[i] = -128 * sum;
    }
    for (size_t i = 0; i < rows; i += width) {
        const float *from = scratch + i * PANELS_UNITS;
        float *panel = panels + i * PANELS_UNITS;
        if (run == 1) k->gemm_pack(width, width, PANELS_UNITS, from, PANELS_UNITS, panel);
        for (size_t r = 0; run > 1 && r < width; r++)
            for (size_t p = 0; p < PANELS_UNITS; p += run)
                memcpy(panel + p * width + r * run, from + r * PANELS_UNITS + p, run * sizeof *panel);
    }
}

void bench_panels_fill(const kern_table *k, panels_type type, const float *a, const float *b, float *scratch,
                       bench_panels *p)
{
    const kern_gemm_blocks *t = blocks_of(k, type);
    fill_rows(k, type, PANELS_M, t->mr, t->run, a, scratch, NULL, p->units);
    fill_rows(k, type, PANELS_N, t->nr, 1, b, scratch, p->correction, p->units + PANELS_M * PANELS_UNITS);
    for (size_t j = 0; j < PANELS_N; j++) p->scale[j] = 1.0f / STEPS;
}

void bench_panels_multiply(const kern_table *k, panels_type type, const bench_panels *p, float *c)
{
    const size_t mr = blocks_of(k, type)->mr, nr = blocks_of(k, type)->nr;
    for (size_t j = 0; j < PANELS_N; j += nr)
        for (size_t i = 0; i < PANELS_M; i += mr) {
            const void *a = p->units + i * PANELS_UNITS, *b = p->units + (PANELS_M + j) * PANELS_UNITS;
            float *tile = c + i * PANELS_N + j;
            switch (type) {
            case PANELS_F32:
                k->gemm_f32(mr, nr, PANELS_UNITS, a, KERN_PANEL, b, nr, tile, PANELS_N, false, NULL);
                break;
            case PANELS_BF16: k->gemm_bf16(mr, nr, PANELS_UNITS, a, mr, b, nr, tile, PANELS_N, false, NULL); break;
            case PANELS_I8:
                k->gemm_i8(mr, nr, PANELS_UNITS, a, mr, b, nr, p->correction + j, p->scale, p->scale, tile, PANELS_N,
                           NULL);
                break;
            }
        }
}
