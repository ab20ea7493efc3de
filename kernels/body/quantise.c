/* Quantisation to 8 bits and the largest magnitude that its scale comes from. Both pass over all activations: they do no
 * more than a few instructions a vector read. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"

/* The first operand of a minimum or maximum gives way to a NaN in the second, and its conversion ends in a byte of 0, which
 * with 128 added is the 128 that it shall become. */
KERN_INLINE i32x16 quantised(f32x16 x, f32x16 inverse_scale)
{
    const f32x16 scaled = f32x16_mul(x, inverse_scale);
    const f32x16 held = f32x16_max(f32x16_set1(-127.0f), f32x16_min(f32x16_set1(127.0f), scaled));
    return i32x16_add(i32x16_round(held), i32x16_set1(128));
}

static void kern_quantise_u8(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    const f32x16 scale = f32x16_set1(inverse_scale);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) i32x16_store_u8(y + i, LANES, quantised(f32x16_load(x + i), scale));
    if (i < n) i32x16_store_u8(y + i, n - i, quantised(f32x16_load_first(x + i, n - i), scale));
}

/* The bits of magnitudes are ordered like their values, with NaN above infinity. */
KERN_INLINE i32x16 larger(i32x16 most, f32x16 x)
{
    return i32x16_max(most, i32x16_and(i32x16_bits(x), i32x16_set1(0x7fffffff)));
}

/* Three accumulators, in any order: with a fourth gcc wants more than AVX2's sixteen registers, two of which each takes. */
static float kern_absmax_f32(size_t n, const float *x)
{
    enum { STREAMS = 3 };
    const i32x16 zero = i32x16_set1(0);
    i32x16 most[STREAMS] = {zero, zero, zero};
    size_t i = 0;
    for (; i + STREAMS * LANES <= n; i += STREAMS * LANES) {
        KERN_UNROLL
        for (size_t s = 0; s < STREAMS; s++) most[s] = larger(most[s], f32x16_load(x + i + s * LANES));
    }
    for (; i + LANES <= n; i += LANES) most[0] = larger(most[0], f32x16_load(x + i));
    if (i < n) most[1] = larger(most[1], f32x16_load_first(x + i, n - i));
    const int32_t bits = i32x16_top(i32x16_max(i32x16_max(most[0], most[1]), most[2]));
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

void kern_fill_quantise(kern_table *t)
{
    t->quantise_u8 = kern_quantise_u8;
    t->absmax_f32 = kern_absmax_f32;
}
