/* Conversions between float and the 16-bit formats. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"

static void kern_f16_to_f32(size_t n, const uint16_t *x, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32x16_store(y + i, f32x16_load_f16(x + i, LANES));
    if (i < n) f32x16_store_first(y + i, n - i, f32x16_load_f16(x + i, n - i));
}

static void kern_f32_to_f16(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32x16_store_f16(y + i, LANES, f32x16_load(x + i));
    if (i < n) f32x16_store_f16(y + i, n - i, f32x16_load_first(x + i, n - i));
}

KERN_INLINE f32x16 widened(i32x16 halves)
{
    return f32x16_of_bits(i32x16_shift_left(halves, 16));
}

static void kern_bf16_to_f32(size_t n, const uint16_t *x, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) f32x16_store(y + i, widened(i32x16_load_u16(x + i, LANES)));
    if (i < n) f32x16_store_first(y + i, n - i, widened(i32x16_load_u16(x + i, n - i)));
}

/* bf16 of 16 floats in the upper halves; the lower ones are of no use. By integers, not by an instruction, which may flush
 * denormals: adding 0x7fff and the last kept bit rounds to even. */
KERN_INLINE i32x16 round_to_bf16(f32x16 v)
{
    const i32x16 u = i32x16_bits(v), odd = i32x16_and(i32x16_shift_right(u, 16), i32x16_set1(1));
    const i32x16 rounded = i32x16_add(u, i32x16_add(odd, i32x16_set1(0x7fff)));
    return i32x16_select(f32x16_is_nan(v), i32x16_or(u, i32x16_set1(0x400000)), rounded);
}

/* Lane p: elements 2p and 2p + 1 of the 32. */
KERN_INLINE i32x16 pairs_of(f32x16 first, f32x16 second)
{
    return i32x16_upper_halves(round_to_bf16(first), round_to_bf16(second));
}

static void kern_f32_to_bf16(size_t n, const float *x, uint16_t *y)
{
    size_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        i32x16_store_halves(y + i, pairs_of(f32x16_load(x + i), f32x16_load(x + i + LANES)));
    for (; i < n; i += LANES)
        i32x16_store_u16(y + i, n - i, i32x16_shift_right(round_to_bf16(f32x16_load_first(x + i, n - i)), 16));
}

/* n <= 16 pairs */
KERN_INLINE void round_pairs(size_t n, const float *low, const float *high, uint32_t *y)
{
    const i32x16 lower = i32x16_shift_right(round_to_bf16(f32x16_load_first(low, n)), 16);
    const i32x16 upper = high != NULL ? round_to_bf16(f32x16_load_first(high, n)) : i32x16_set1(0);
    i32x16_store_first(y, n, i32x16_or(i32x16_and(upper, i32x16_set1(0xffff0000u)), lower));
}

static void kern_f32_to_bf16_pairs(size_t n, const float *low, const float *high, uint32_t *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) round_pairs(LANES, low + i, high != NULL ? high + i : NULL, y + i);
    if (i < n) round_pairs(n - i, low + i, high != NULL ? high + i : NULL, y + i);
}

/* n <= 16 pairs */
KERN_INLINE void widen_pairs(size_t n, const uint32_t *x, float *low, float *high)
{
    const i32x16 pair = i32x16_load_first(x, n);
    f32x16_store_first(low, n, f32x16_of_bits(i32x16_shift_left(pair, 16)));
    if (high != NULL) f32x16_store_first(high, n, f32x16_of_bits(i32x16_and(pair, i32x16_set1(0xffff0000u))));
}

static void kern_bf16_pairs_to_f32(size_t n, const uint32_t *x, float *low, float *high)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) widen_pairs(LANES, x + i, low + i, high != NULL ? high + i : NULL);
    if (i < n) widen_pairs(n - i, x + i, low + i, high != NULL ? high + i : NULL);
}

static void kern_f32_to_bf16_runs(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride,
                                  uint32_t *y)
{
    for (size_t i = 0; i < rows; i++) {
        const float *row = x + i * ldx;
        uint32_t *to = y + i * run;
        for (size_t j = 0; j < n; j += 2 * run, to += stride) {
            const size_t left = n - j < 2 * run ? n - j : 2 * run;
            if (left == 2 * LANES) {
                i32x16_store(to, pairs_of(f32x16_load(row + j), f32x16_load(row + j + LANES)));
                continue;
            }
            const f32x16 zero = f32x16_set1(0.0f);
            const f32x16 second = left > LANES ? f32x16_load_first(row + j + LANES, left - LANES) : zero;
            i32x16_store_first(to, run, pairs_of(f32x16_load_first(row + j, left), second));
        }
    }
}

void kern_fill_convert(kern_table *t)
{
    t->f16_to_f32 = kern_f16_to_f32;
    t->f32_to_f16 = kern_f32_to_f16;
    t->bf16_to_f32 = kern_bf16_to_f32;
    t->f32_to_bf16 = kern_f32_to_bf16;
    t->f32_to_bf16_pairs = kern_f32_to_bf16_pairs;
    t->bf16_pairs_to_f32 = kern_bf16_pairs_to_f32;
    t->f32_to_bf16_runs = kern_f32_to_bf16_runs;
}
