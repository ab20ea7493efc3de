/* A vocabulary broken on purpose, each function in a way that somebody could write: the self-test requires that every
 * one is noticed. lanes.c and memory.c include this file after the vocabulary, in a copy of their own;
 * which function is broken is said at run time. The names at the end put the broken functions in the place of the right
 * ones. */
#ifndef TESTS_KERNELS_VOCABULARY_BROKEN_H
#define TESTS_KERNELS_VOCABULARY_BROKEN_H

#include <math.h>

enum {
    NOTHING,
    LOAD_READS_PAST,
    LOAD_LEAVES_LANES,
    LOAD_TAKES_COUNT_MODULO,
    STORE_WRITES_PAST,
    STORE_SKIPS_LAST,
    LOAD_F64_READS_PAST,
    LOAD_F32_READS_PAST,
    HALVES_UPPER_FIRST,
    STORE_U16_SATURATES,
    STORE_U8_SATURATES,
    LOAD_F16_FLUSHES,
    STORE_F16_TRUNCATES,
    FMA_ROUNDS_TWICE,
    FMA_IN_DOUBLE,
    FMS_LOSES_SIGN,
    FNMA_SUBTRACTS,
    DIV_BY_RECIPROCAL,
    MIN_LOSES_NAN,
    MAX_LOSES_NAN,
    ABS_BY_COMPARISON,
    SIGN_BY_COMPARISON,
    SUM_BY_NEIGHBOURS,
    TOP_IN_OTHER_ORDER,
    FIRST_MULTIPLIES,
    NOT_LESS_MISSES_NAN,
    NEGATIVE_BY_COMPARISON,
    KEEP_MULTIPLIES,
    SELECT_SWAPS,
    MASK_FIRST_MODULO,
    ANY_LOOKS_AT_HALF,
    SHIFT_KEEPS_SIGN,
    MAX_UNSIGNED,
    TOP_UNSIGNED,
    HALVES_SWAPPED,
    ROUND_AWAY,
    ROUND_SATURATES,
    LOOKUP_PAST_TABLE,
    PRODUCT_IN_FLOAT,
    HIGH_IS_LOW,
    SUM_F64_IN_ROW,
    TRANSPOSE_WRITES_PAST,
    PART_WITHOUT_ZEROS,
    PART_READS_PAST,
    INTERLEAVE_IN_ROWS,
    BREAKAGES
};

static const voc_breakage breakages[BREAKAGES] = {
    [NOTHING] = {"", "is right"},
    [LOAD_READS_PAST] = {"f32x16_load_first", "reads one element too many"},
    [LOAD_LEAVES_LANES] = {"f32x16_load_first", "leaves ones behind its last lane"},
    [LOAD_TAKES_COUNT_MODULO] = {"i32x16_load_first", "takes its count modulo 16"},
    [STORE_WRITES_PAST] = {"f32x16_store_first", "writes one element too many"},
    [STORE_SKIPS_LAST] = {"i32x16_store_first", "forgets the last lane of 15"},
    [LOAD_F64_READS_PAST] = {"f64x8_load_first", "reads all elements"},
    [LOAD_F32_READS_PAST] = {"f64x8_load_f32", "reads four elements where there are fewer"},
    [HALVES_UPPER_FIRST] = {"i32x16_store_halves", "stores the upper halves first"},
    [STORE_U16_SATURATES] = {"i32x16_store_u16", "saturates"},
    [STORE_U8_SATURATES] = {"i32x16_store_u8", "saturates"},
    [LOAD_F16_FLUSHES] = {"f32x16_load_f16", "makes subnormal numbers zero"},
    [STORE_F16_TRUNCATES] = {"f32x16_store_f16", "truncates"},
    [FMA_ROUNDS_TWICE] = {"f32x16_fma", "rounds the product"},
    [FMA_IN_DOUBLE] = {"f32x16_fma", "rounds the sum to double first"},
    [FMS_LOSES_SIGN] = {"f32x16_fms", "loses the sign of zero"},
    [FNMA_SUBTRACTS] = {"f32x16_fnma", "is the negative of another"},
    [DIV_BY_RECIPROCAL] = {"f32x16_div", "multiplies by the reciprocal"},
    [MIN_LOSES_NAN] = {"f32x16_min", "returns the other operand for NaN"},
    [MAX_LOSES_NAN] = {"f32x16_max", "returns the other operand for NaN"},
    [ABS_BY_COMPARISON] = {"f32x16_abs", "leaves -0"},
    [SIGN_BY_COMPARISON] = {"f32x16_with_sign", "takes -0 for positive"},
    [SUM_BY_NEIGHBOURS] = {"f32x16_sum", "adds in another order"},
    [TOP_IN_OTHER_ORDER] = {"f32x16_top", "compares in another order"},
    [FIRST_MULTIPLIES] = {"f32x16_first", "multiplies by zero"},
    [NOT_LESS_MISSES_NAN] = {"f32x16_not_less", "is false for NaN"},
    [NEGATIVE_BY_COMPARISON] = {"f32x16_negative", "compares"},
    [KEEP_MULTIPLIES] = {"f32x16_keep", "multiplies by zero"},
    [SELECT_SWAPS] = {"i32x16_select", "takes the second where the mask is true"},
    [MASK_FIRST_MODULO] = {"mask16_first", "takes its count modulo 2^31"},
    [ANY_LOOKS_AT_HALF] = {"mask16_any", "looks at 8 lanes"},
    [SHIFT_KEEPS_SIGN] = {"i32x16_shift_right", "keeps the sign"},
    [MAX_UNSIGNED] = {"i32x16_max", "is unsigned"},
    [TOP_UNSIGNED] = {"i32x16_top", "starts at zero"},
    [HALVES_SWAPPED] = {"i32x16_upper_halves", "swaps its operands"},
    [ROUND_AWAY] = {"i32x16_round", "rounds halves away from zero"},
    [ROUND_SATURATES] = {"i32x16_round", "saturates"},
    [LOOKUP_PAST_TABLE] = {"f32x16_lookup8", "looks at a fourth bit of the index"},
    [PRODUCT_IN_FLOAT] = {"f64x8_add_product", "rounds the product to float"},
    [HIGH_IS_LOW] = {"f64x8_high", "is f64x8_low"},
    [SUM_F64_IN_ROW] = {"f64x8_sum", "adds in another order"},
    [TRANSPOSE_WRITES_PAST] = {"block16_transpose", "writes one element too many"},
    [PART_WITHOUT_ZEROS] = {"block16_transpose_part", "writes no zeros"},
    [PART_READS_PAST] = {"block16_transpose_part", "reads whole rows"},
    [INTERLEAVE_IN_ROWS] = {"block16_interleave6", "exchanges two rows"},
};

static size_t broken; /* which one */

/* What goes through memory lane by lane. */
KERN_INLINE f32x16 lanes_changed(float (*change)(float), f32x16 v)
{
    float x[16];
    f32x16_store(x, v);
    for (size_t i = 0; i < 16; i++) x[i] = change(x[i]);
    return f32x16_load(x);
}

KERN_INLINE float rounded_away(float x) { return truncf(x + (x < 0.0f ? -0.5f : 0.5f)); }

KERN_INLINE f32x16 broken_load_first(const float *x, size_t n)
{
    if (broken == LOAD_READS_PAST) return f32x16_first(n, f32x16_load_first(x, n + (n < 16)));
    const f32x16 v = f32x16_load_first(x, n);
    return broken == LOAD_LEAVES_LANES ? f32x16_select(mask16_first(n), v, f32x16_set1(1.0f)) : v;
}

KERN_INLINE i32x16 broken_load_first_i32(const uint32_t *x, size_t n)
{
    return i32x16_load_first(x, broken == LOAD_TAKES_COUNT_MODULO && n != 16 ? n % 16 : n);
}

KERN_INLINE void broken_store_first(float *y, size_t n, f32x16 v)
{
    f32x16_store_first(y, n + (broken == STORE_WRITES_PAST && n < 16), v);
}

KERN_INLINE void broken_store_first_i32(uint32_t *y, size_t n, i32x16 v)
{
    i32x16_store_first(y, n - (broken == STORE_SKIPS_LAST && n == 15), v);
}

KERN_INLINE f64x8 broken_load_first_f64(const double *x, size_t n)
{
    if (broken != LOAD_F64_READS_PAST) return f64x8_load_first(x, n);
    double all[8];
    f64x8_store(all, f64x8_load(x));
    return f64x8_load_first(all, n);
}

KERN_INLINE f64x8 broken_load_f32(const float *x, size_t n)
{
    if (broken != LOAD_F32_READS_PAST || n > 3) return f64x8_load_f32(x, n);
    double four[8];
    f64x8_store(four, f64x8_load_f32(x, 4));
    return f64x8_load_first(four, n);
}

KERN_INLINE void broken_store_halves(uint16_t *y, i32x16 v)
{
    const i32x16 swapped = i32x16_or(i32x16_shift_left(v, 16), i32x16_shift_right(v, 16));
    i32x16_store_halves(y, broken == HALVES_UPPER_FIRST ? swapped : v);
}

KERN_INLINE i32x16 saturated(i32x16 v, uint32_t top)
{
    uint32_t x[16];
    i32x16_store(x, v);
    for (size_t i = 0; i < 16; i++) x[i] = x[i] < top ? x[i] : top;
    return i32x16_load(x);
}

KERN_INLINE void broken_store_u16(uint16_t *y, size_t n, i32x16 v)
{
    i32x16_store_u16(y, n, broken == STORE_U16_SATURATES ? saturated(v, 0xffffu) : v);
}

KERN_INLINE void broken_store_u8(uint8_t *y, size_t n, i32x16 v)
{
    i32x16_store_u8(y, n, broken == STORE_U8_SATURATES ? saturated(v, 0xffu) : v);
}

KERN_INLINE f32x16 broken_load_f16(const uint16_t *x, size_t n)
{
    const f32x16 v = f32x16_load_f16(x, n);
    return broken == LOAD_F16_FLUSHES ? f32x16_keep(f32x16_not_less(f32x16_abs(v), f32x16_set1(0x1p-14f)), v) : v;
}

KERN_INLINE void broken_store_f16(uint16_t *y, size_t n, f32x16 v)
{
    if (broken == STORE_F16_TRUNCATES) v = f32x16_of_bits(i32x16_and(i32x16_bits(v), i32x16_set1(0xffffe000u)));
    f32x16_store_f16(y, n, v);
}

KERN_INLINE f32x16 broken_fma(f32x16 a, f32x16 b, f32x16 c)
{
    if (broken == FMA_ROUNDS_TWICE) return f32x16_add(f32x16_mul(a, b), c);
    if (broken != FMA_IN_DOUBLE) return f32x16_fma(a, b, c);
    float x[16], y[16], z[16];
    f32x16_store(x, a);
    f32x16_store(y, b);
    f32x16_store(z, c);
    for (size_t i = 0; i < 16; i++) x[i] = (float)((double)x[i] * (double)y[i] + (double)z[i]);
    return f32x16_load(x);
}

KERN_INLINE f32x16 broken_fms(f32x16 a, f32x16 b, f32x16 c)
{
    return broken == FMS_LOSES_SIGN ? f32x16_sub(f32x16_set1(0.0f), f32x16_fnma(a, b, c)) : f32x16_fms(a, b, c);
}

KERN_INLINE f32x16 broken_fnma(f32x16 a, f32x16 b, f32x16 c)
{
    return broken == FNMA_SUBTRACTS ? f32x16_fms(a, b, c) : f32x16_fnma(a, b, c);
}

KERN_INLINE f32x16 broken_div(f32x16 a, f32x16 b)
{
    return broken == DIV_BY_RECIPROCAL ? f32x16_mul(a, f32x16_div(f32x16_set1(1.0f), b)) : f32x16_div(a, b);
}

KERN_INLINE f32x16 broken_min(f32x16 a, f32x16 b)
{
    return broken == MIN_LOSES_NAN ? f32x16_select(f32x16_is_nan(b), a, f32x16_min(a, b)) : f32x16_min(a, b);
}

KERN_INLINE f32x16 broken_max(f32x16 a, f32x16 b)
{
    return broken == MAX_LOSES_NAN ? f32x16_select(f32x16_is_nan(b), a, f32x16_max(a, b)) : f32x16_max(a, b);
}

KERN_INLINE f32x16 broken_abs(f32x16 v)
{
    const f32x16 zero = f32x16_set1(0.0f);
    return broken == ABS_BY_COMPARISON ? f32x16_select(f32x16_less(v, zero), f32x16_sub(zero, v), v) : f32x16_abs(v);
}

KERN_INLINE f32x16 broken_with_sign(f32x16 v, f32x16 s)
{
    const mask16 minus = f32x16_less(s, f32x16_set1(0.0f));
    if (broken != SIGN_BY_COMPARISON) return f32x16_with_sign(v, s);
    return f32x16_select(minus, f32x16_with_sign(v, f32x16_set1(-1.0f)), v);
}

KERN_INLINE float broken_sum(f32x16 v)
{
    float x[16];
    f32x16_store(x, v);
    if (broken != SUM_BY_NEIGHBOURS) return f32x16_sum(v);
    for (size_t step = 1; step < 16; step *= 2)
        for (size_t i = 0; i < 16; i += 2 * step) x[i] += x[i + step];
    return x[0];
}

KERN_INLINE float broken_top(f32x16 v)
{
    float x[16];
    f32x16_store(x, v);
    if (broken != TOP_IN_OTHER_ORDER) return f32x16_top(v);
    for (size_t i = 1; i < 16; i++) x[0] = x[i] > x[0] ? x[i] : x[0];
    return x[0];
}

KERN_INLINE f32x16 broken_first(size_t n, f32x16 v)
{
    return broken == FIRST_MULTIPLIES ? f32x16_mul(v, f32x16_first(n, f32x16_set1(1.0f))) : f32x16_first(n, v);
}

KERN_INLINE mask16 broken_not_less(f32x16 a, f32x16 b)
{
    return broken == NOT_LESS_MISSES_NAN ? f32x16_less(f32x16_sub(b, a), f32x16_set1(0x1p-149f))
                                         : f32x16_not_less(a, b);
}

KERN_INLINE mask16 broken_negative(f32x16 v)
{
    return broken == NEGATIVE_BY_COMPARISON ? f32x16_less(v, f32x16_set1(0.0f)) : f32x16_negative(v);
}

KERN_INLINE f32x16 broken_keep(mask16 m, f32x16 v)
{
    return broken == KEEP_MULTIPLIES ? f32x16_mul(v, f32x16_keep(m, f32x16_set1(1.0f))) : f32x16_keep(m, v);
}

KERN_INLINE i32x16 broken_select_i32(mask16 m, i32x16 a, i32x16 b)
{
    return broken == SELECT_SWAPS ? i32x16_select(m, b, a) : i32x16_select(m, a, b);
}

KERN_INLINE mask16 broken_mask_first(size_t n)
{
    return mask16_first(broken == MASK_FIRST_MODULO ? n & 0x7fffffffu : n);
}

KERN_INLINE bool broken_any(mask16 m)
{
    float x[16];
    f32x16_store(x, f32x16_keep(m, f32x16_set1(1.0f)));
    if (broken != ANY_LOOKS_AT_HALF) return mask16_any(m);
    for (size_t i = 0; i < 8; i++)
        if (x[i] != 0.0f) return true;
    return false;
}

KERN_INLINE i32x16 broken_shift_right(i32x16 v, unsigned count)
{
    uint32_t x[16];
    i32x16_store(x, v);
    for (size_t i = 0; i < 16; i++)
        x[i] = x[i] >> count | (broken == SHIFT_KEEPS_SIGN && x[i] >> 31 && count > 0 ? ~(~0u >> count) : 0);
    return i32x16_load(x);
}

KERN_INLINE i32x16 broken_max_i32(i32x16 a, i32x16 b)
{
    const i32x16 least = i32x16_set1(0x80000000u);
    if (broken != MAX_UNSIGNED) return i32x16_max(a, b);
    return i32x16_add(i32x16_max(i32x16_add(a, least), i32x16_add(b, least)), least);
}

KERN_INLINE int32_t broken_top_i32(i32x16 v)
{
    const int32_t top = i32x16_top(v);
    return broken == TOP_UNSIGNED && top < 0 ? 0 : top;
}

KERN_INLINE i32x16 broken_upper_halves(i32x16 a, i32x16 b)
{
    return broken == HALVES_SWAPPED ? i32x16_upper_halves(b, a) : i32x16_upper_halves(a, b);
}

KERN_INLINE i32x16 broken_round(f32x16 v)
{
    if (broken == ROUND_SATURATES) {
        const mask16 above = f32x16_not_less(v, f32x16_set1(0x1p31f));
        return i32x16_select(above, i32x16_set1(0x7fffffffu), i32x16_round(v));
    }
    return i32x16_round(broken == ROUND_AWAY ? lanes_changed(rounded_away, v) : v);
}

KERN_INLINE f32x16 broken_lookup8(const float *table, i32x16 index)
{
    uint32_t i[16];
    float y[16];
    if (broken != LOOKUP_PAST_TABLE) return f32x16_lookup8(table, index);
    i32x16_store(i, index);
    for (size_t j = 0; j < 16; j++) y[j] = table[i[j] & 15];
    return f32x16_load(y);
}

KERN_INLINE f64x8 broken_add_product(f64x8 a, f64x8 b, f64x8 s)
{
    double product[8];
    f64x8_store(product, f64x8_mul(a, b));
    for (size_t i = 0; i < 8 && broken == PRODUCT_IN_FLOAT; i++) product[i] = (float)product[i];
    return broken == PRODUCT_IN_FLOAT ? f64x8_add(s, f64x8_load(product)) : f64x8_add_product(a, b, s);
}

KERN_INLINE f64x8 broken_high(f32x16 v) { return broken == HIGH_IS_LOW ? f64x8_low(v) : f64x8_high(v); }

KERN_INLINE double broken_sum_f64(f64x8 v)
{
    double x[8];
    f64x8_store(x, v);
    if (broken != SUM_F64_IN_ROW) return f64x8_sum(v);
    for (size_t i = 1; i < 8; i++) x[0] += x[i];
    return x[0];
}

KERN_INLINE void broken_transpose(const float *x, size_t ldx, float *y, size_t ldy)
{
    block16_transpose(x, ldx, y, ldy);
    if (broken == TRANSPOSE_WRITES_PAST && ldy > 16) y[16] = 0.0f;
}

KERN_INLINE void broken_transpose_part(size_t rows, size_t columns, size_t kept, const float *x, size_t ldx, float *y,
                                       size_t ldy)
{
    float room[16 * 16] = {0.0f};
    if (broken == PART_WITHOUT_ZEROS && kept > rows) kept = rows;
    if (broken == PART_READS_PAST && columns > 0 && rows > 0) {
        for (size_t i = 0; i < rows; i++) f32x16_store(room + i * 16, f32x16_load(x + i * ldx));
        x = room;
        ldx = 16;
    }
    block16_transpose_part(rows, columns, kept, x, ldx, y, ldy);
}

KERN_INLINE void broken_interleave6(const float *x, size_t ldx, float *y)
{
    block16_interleave6(x, ldx, y);
    for (size_t j = 0; j < 16 && broken == INTERLEAVE_IN_ROWS; j++) {
        const float fourth = y[6 * j + 4];
        y[6 * j + 4] = y[6 * j + 5];
        y[6 * j + 5] = fourth;
    }
}

#define f32x16_load_first broken_load_first
#define i32x16_load_first broken_load_first_i32
#define f32x16_store_first broken_store_first
#define i32x16_store_first broken_store_first_i32
#define f64x8_load_first broken_load_first_f64
#define f64x8_load_f32 broken_load_f32
#define i32x16_store_halves broken_store_halves
#define i32x16_store_u16 broken_store_u16
#define i32x16_store_u8 broken_store_u8
#define f32x16_load_f16 broken_load_f16
#define f32x16_store_f16 broken_store_f16
#define f32x16_fma broken_fma
#define f32x16_fms broken_fms
#define f32x16_fnma broken_fnma
#define f32x16_div broken_div
#define f32x16_min broken_min
#define f32x16_max broken_max
#define f32x16_abs broken_abs
#define f32x16_with_sign broken_with_sign
#define f32x16_sum broken_sum
#define f32x16_top broken_top
#define f32x16_first broken_first
#define f32x16_not_less broken_not_less
#define f32x16_negative broken_negative
#define f32x16_keep broken_keep
#define i32x16_select broken_select_i32
#define mask16_first broken_mask_first
#define mask16_any broken_any
#define i32x16_shift_right broken_shift_right
#define i32x16_max broken_max_i32
#define i32x16_top broken_top_i32
#define i32x16_upper_halves broken_upper_halves
#define i32x16_round broken_round
#define f32x16_lookup8 broken_lookup8
#define f64x8_add_product broken_add_product
#define f64x8_high broken_high
#define f64x8_sum broken_sum_f64
#define block16_transpose broken_transpose
#define block16_transpose_part broken_transpose_part
#define block16_interleave6 broken_interleave6

#endif
