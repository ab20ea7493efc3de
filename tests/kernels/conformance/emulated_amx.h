/* The instructions of AMX that kernels/gemm/avx512_amx.c uses, in plain C, so that conformance can run that file on CPUs
 * without AMX. Included before it (-include), it takes the intrinsics' places; the tests alone are built with it, and
 * one thread at a time runs it.
 *
 * A tile (Intel SDM, volume 2) has up to 16 rows of up to 64 bytes, as LDTILECFG says, which also clears all. TDPBF16PS
 * sums the products of lower and of upper halves over the tile in a chain of fused multiply-adds each, from zero, then
 * adds both to C; rounded to nearest even, subnormal numbers count as zero and become zero. TDPBUSD multiplies unsigned
 * bytes of A by signed ones of B, without saturation. What real tiles would fault on ends the test. */
#ifndef TESTS_KERNELS_CONFORMANCE_EMULATED_AMX_H
#define TESTS_KERNELS_CONFORMANCE_EMULATED_AMX_H

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERN_EMULATED_AMX

enum { EMULATED_TILES = 8, EMULATED_ROWS = 16, EMULATED_UNITS = 16 };

static struct emulated_tiles {
    uint8_t rows[EMULATED_TILES];
    uint16_t row_bytes[EMULATED_TILES];
    uint32_t unit[EMULATED_TILES][EMULATED_ROWS][EMULATED_UNITS];
} emulated_tiles;

static inline void emulated_check(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "AMX: %s\n", what);
    abort();
}

static inline void emulated_loadconfig(const void *from)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } c;
    memcpy(&c, from, sizeof c);
    memset(&emulated_tiles, 0, sizeof emulated_tiles);
    emulated_check(c.palette == 1 && c.start_row == 0, "a palette that does not exist");
    for (int t = 0; t < 16; t++) {
        emulated_check(t < EMULATED_TILES || (!c.rows[t] && !c.row_bytes[t]), "a tile that does not exist");
        emulated_check(c.rows[t] <= EMULATED_ROWS && c.row_bytes[t] <= 64 && !c.rows[t] == !c.row_bytes[t],
                       "a tile too large, or one half empty");
        if (t < EMULATED_TILES) emulated_tiles.rows[t] = c.rows[t], emulated_tiles.row_bytes[t] = c.row_bytes[t];
    }
}

static inline void emulated_release(void)
{
    memset(&emulated_tiles, 0, sizeof emulated_tiles);
}

static inline void emulated_zero(int t)
{
    emulated_check(emulated_tiles.rows[t], "a tile that is not configured");
    memset(emulated_tiles.unit[t], 0, sizeof emulated_tiles.unit[t]);
}

static inline void emulated_load(int t, const void *from, size_t stride)
{
    emulated_zero(t);
    for (int i = 0; i < emulated_tiles.rows[t]; i++)
        memcpy(emulated_tiles.unit[t][i], (const char *)from + (size_t)i * stride, emulated_tiles.row_bytes[t]);
}

static inline void emulated_store(int t, void *to, size_t stride)
{
    emulated_check(emulated_tiles.rows[t], "a tile that is not configured");
    for (int i = 0; i < emulated_tiles.rows[t]; i++)
        memcpy((char *)to + (size_t)i * stride, emulated_tiles.unit[t][i], emulated_tiles.row_bytes[t]);
}

static inline float emulated_number(uint32_t bits)
{
    float x;
    if ((bits & 0x7f800000u) == 0) bits &= 0x80000000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float emulated_flushed(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return emulated_number(bits);
}

static inline void emulated_shapes(int c, int a, int b)
{
    const struct emulated_tiles *t = &emulated_tiles;
    emulated_check(t->rows[c] && t->rows[a] && t->rows[b], "a tile that is not configured");
    emulated_check(c != a && c != b && a != b, "a tile that is two operands");
    emulated_check(t->row_bytes[c] % 4 == 0 && t->row_bytes[a] % 4 == 0, "rows of broken units");
    emulated_check(t->rows[c] == t->rows[a] && t->row_bytes[c] == t->row_bytes[b] && t->row_bytes[a] / 4 == t->rows[b],
                   "tiles whose shapes do not fit");
}

static inline void emulated_dpbf16(int c, int a, int b)
{
    struct emulated_tiles *t = &emulated_tiles;
    emulated_shapes(c, a, b);
    for (int i = 0; i < t->rows[c]; i++)
        for (int j = 0; j < t->row_bytes[c] / 4; j++) {
            float low = 0.0f, high = 0.0f, sum = emulated_number(t->unit[c][i][j]);
            for (int p = 0; p < t->rows[b]; p++) {
                const uint32_t x = t->unit[a][i][p], y = t->unit[b][p][j];
                low = emulated_flushed(fmaf(emulated_number(x << 16), emulated_number(y << 16), low));
                high = emulated_flushed(
                    fmaf(emulated_number(x & 0xffff0000u), emulated_number(y & 0xffff0000u), high));
            }
            sum = emulated_flushed(sum + emulated_flushed(low + high));
            memcpy(&t->unit[c][i][j], &sum, sizeof sum);
        }
}

static inline void emulated_dpbusd(int c, int a, int b)
{
    struct emulated_tiles *t = &emulated_tiles;
    emulated_shapes(c, a, b);
    for (int i = 0; i < t->rows[c]; i++)
        for (int j = 0; j < t->row_bytes[c] / 4; j++)
            for (int p = 0; p < t->rows[b]; p++)
                for (int byte = 0; byte < 32; byte += 8)
                    t->unit[c][i][j] += (uint32_t)((uint8_t)(t->unit[a][i][p] >> byte) *
                                                   (int8_t)(t->unit[b][p][j] >> byte));
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_dpbusd
#define _tile_loadconfig(from) emulated_loadconfig(from)
#define _tile_release() emulated_release()
#define _tile_zero(t) emulated_zero(t)
#define _tile_loadd(t, from, stride) emulated_load(t, from, stride)
#define _tile_stored(t, to, stride) emulated_store(t, to, stride)
#define _tile_dpbf16ps(c, a, b) emulated_dpbf16(c, a, b)
#define _tile_dpbusd(c, a, b) emulated_dpbusd(c, a, b)

#endif
