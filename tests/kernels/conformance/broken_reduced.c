/* Deliberately broken kernels of the reduced precisions, each wrong in one way that somebody could write. */
#include "kernels/spec/spec.h"
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <string.h>

static kern_table good; /* the specification, filled by conf_breakages_reduced */

/* ---- gemm_bf16 ------------------------------------------------------------------------------------------------ */

static void bf16_overwrites(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                            float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)accumulate;
    good.gemm_bf16(m, n, k, a, lda, b, ldb, c, ldc, false, ahead);
}

/* As a kernel that takes two steps of k at a time might. */
static void bf16_skips_last(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                            float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    good.gemm_bf16(m, n, k - k % 2, a, lda, b, ldb, c, ldc, accumulate, ahead);
}

static void bf16_swaps_halves(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    if (!accumulate)
        for (size_t i = 0; i < m; i++) memset(c + i * ldc, 0, n * sizeof *c);
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                const uint32_t y = b[p * ldb + j], swapped = y << 16 | y >> 16;
                good.gemm_bf16(1, 1, 1, a + p * lda + i, lda, &swapped, 1, c + i * ldc + j, ldc, true, ahead);
            }
}

/* Sums rounded to bf16 along the way. */
static void bf16_sums_in_bf16(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    good.gemm_bf16(m, n, k < 1 ? k : 1, a, lda, b, ldb, c, ldc, accumulate, ahead);
    for (size_t p = 1; p < k; p++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                uint16_t rounded;
                good.f32_to_bf16(1, c + i * ldc + j, &rounded);
                good.bf16_to_f32(1, &rounded, c + i * ldc + j);
                good.gemm_bf16(1, 1, 1, a + p * lda + i, lda, b + p * ldb + j, ldb, c + i * ldc + j, ldc, true, ahead);
            }
}

static void bf16_one_past(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                          float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    good.gemm_bf16(m, n, k, a, lda, b, ldb, c, ldc, accumulate, ahead);
    if (m > 0 && n > 0) c[(m - 1) * ldc + n] = 0.0f;
}

/* ---- gemm_i8: the arithmetic that an option changes ------------------------------------------------------------ */

typedef struct arithmetic {
    bool signed_a, unsigned_b, saturating, no_correction, scales_in_turn, in_float;
} arithmetic;

static int32_t product(uint32_t x, uint32_t y, unsigned byte, const arithmetic *how)
{
    const uint8_t u = (uint8_t)(x >> 8 * byte), v = (uint8_t)(y >> 8 * byte);
    return (how->signed_a ? (int8_t)u : u) * (how->unsigned_b ? v : (int8_t)v);
}

static void i8_as(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                  const int32_t *correction, const float *row_scale, const float *column_scale, float *c, size_t ldc,
                  arithmetic how)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int64_t sum = how.no_correction ? 0 : correction[j];
            float rounded = (float)sum;
            for (size_t p = 0; p < k; p++)
                for (unsigned byte = 0; byte < 4; byte += 2) {
                    int32_t pair = product(a[p * lda + i], b[p * ldb + j], byte, &how) +
                                   product(a[p * lda + i], b[p * ldb + j], byte + 1, &how);
                    if (how.saturating) pair = pair > INT16_MAX ? INT16_MAX : pair < INT16_MIN ? INT16_MIN : pair;
                    sum += pair;
                    rounded += (float)pair;
                }
            const float whole = how.in_float ? rounded : (float)sum;
            c[i * ldc + j] =
                how.scales_in_turn ? whole * row_scale[i] * column_scale[j] : whole * (row_scale[i] * column_scale[j]);
        }
}

static void i8_signed_a(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                        const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                        size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.signed_a = true});
}

static void i8_unsigned_b(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                          const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                          size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.unsigned_b = true});
}

static void i8_saturates(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                         const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                         size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.saturating = true});
}

static void i8_uncorrected(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                           const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                           size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.no_correction = true});
}

static void i8_scales_in_turn(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, const int32_t *correction, const float *row_scale, const float *column_scale,
                              float *c, size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.scales_in_turn = true});
}

static void i8_sums_in_float(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                             const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                             size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    i8_as(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, (arithmetic){.in_float = true});
}

static void i8_whole_columns(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                             const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                             size_t ldc, const kern_ahead *ahead)
{
    good.gemm_i8(m, n, k, a, lda, b, ldb, correction, row_scale, column_scale, c, ldc, ahead);
    for (size_t i = 0; i < m && n > 0; i++)
        for (size_t j = n; j < good.gemm_blocks.nr; j++) c[i * ldc + j] = 0.0f;
}

/* ---- Quantisation and the largest magnitude -------------------------------------------------------------------- */

static void quantise_away_from_zero(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * inverse_scale;
        y[i] = isnan(scaled) ? 128 : (uint8_t)(128 + (int)roundf(fmaxf(-127.0f, fminf(127.0f, scaled))));
    }
}

static void quantise_to_minus_128(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * inverse_scale;
        y[i] = isnan(scaled) ? 128 : (uint8_t)(128 + (int)rintf(fmaxf(-128.0f, fminf(127.0f, scaled))));
    }
}

static void quantise_nan_low(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)(128 + (int)rintf(fmaxf(-127.0f, fminf(127.0f, x[i] * inverse_scale))));
}

static void quantise_unrounded_product(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        const double scaled = (double)x[i] * (double)inverse_scale;
        y[i] = isnan(scaled) ? 128 : (uint8_t)(128 + (int)rint(fmax(-127.0, fmin(127.0, scaled))));
    }
}

static float absmax_skips_tail(size_t n, const float *x)
{
    return good.absmax_f32(n - n % 4, x);
}

/* A NaN is found, but any number after it takes its place. */
static float absmax_forgets_nan(size_t n, const float *x)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= most)) most = fabsf(x[i]);
    return most;
}

static float absmax_positive(size_t n, const float *x)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) most = fmaxf(most, x[i]);
    return most;
}

/* ---- Pairs ----------------------------------------------------------------------------------------------------- */

static void pairs_swapped(size_t n, const float *low, const float *high, uint32_t *y)
{
    good.f32_to_bf16_pairs(n, low, high, y);
    for (size_t i = 0; i < n; i++) y[i] = y[i] << 16 | y[i] >> 16;
}

static void pairs_truncated(size_t n, const float *low, const float *high, uint32_t *y)
{
    good.f32_to_bf16_pairs(n, low, high, y);
    for (size_t i = 0; i < n && high != NULL; i++) {
        uint32_t u;
        memcpy(&u, high + i, sizeof u);
        if (!isnan(high[i])) y[i] = (y[i] & 0xffffu) | (u & 0xffff0000u);
    }
}

/* What AVX512-BF16's conversion does: subnormals become zero. */
static void pairs_flushed(size_t n, const float *low, const float *high, uint32_t *y)
{
    good.f32_to_bf16_pairs(n, low, high, y);
    for (size_t i = 0; i < n; i++) {
        if ((y[i] & 0x7f80u) == 0) y[i] &= 0xffff8000u;
        if ((y[i] & 0x7f800000u) == 0) y[i] &= 0x8000ffffu;
    }
}

static void pairs_of_null(size_t n, const float *low, const float *high, uint32_t *y)
{
    good.f32_to_bf16_pairs(n, low, high != NULL ? high : low, y);
}

static void runs_unfilled(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride, uint32_t *y)
{
    const size_t whole = n / (2 * run) * (2 * run);
    good.f32_to_bf16_runs(rows, whole, x, ldx, run, stride, y);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = whole; j + 1 < n; j += 2)
            good.f32_to_bf16_runs(1, 2, x + i * ldx + j, ldx, 1, 1,
                                  y + whole / 2 / run * stride + i * run + (j - whole) / 2);
}

static void runs_side_by_side(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride, uint32_t *y)
{
    (void)stride;
    good.f32_to_bf16_runs(rows, n, x, ldx, run, rows * run, y);
}

static void runs_swapped(size_t rows, size_t n, const float *x, size_t ldx, size_t run, size_t stride, uint32_t *y)
{
    good.f32_to_bf16_runs(rows, n, x, ldx, run, stride, y);
    for (size_t p = 0; 2 * p < n; p++)
        for (size_t i = 0; i < rows; i++) {
            uint32_t *unit = y + p / run * stride + i * run + p % run;
            *unit = *unit << 16 | *unit >> 16;
        }
}

static void unpaired_swapped(size_t n, const uint32_t *x, float *low, float *high)
{
    good.bf16_pairs_to_f32(n, x, high != NULL ? high : low, high != NULL ? low : NULL);
}

static void unpaired_unmasked(size_t n, const uint32_t *x, float *low, float *high)
{
    good.bf16_pairs_to_f32(n, x, low, NULL);
    if (high != NULL && n > 0) memcpy(high, x, n * sizeof *x); /* the lower half's bits stay below the upper half's */
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const conf_breakage breakages[] = {
    {"gemm_bf16", "never adds to C", (conf_kernel)bf16_overwrites},
    {"gemm_bf16", "skips the last unit of an odd depth", (conf_kernel)bf16_skips_last},
    {"gemm_bf16", "pairs lower with upper halves", (conf_kernel)bf16_swaps_halves},
    {"gemm_bf16", "keeps sums in bf16", (conf_kernel)bf16_sums_in_bf16},
    {"gemm_bf16", "writes one element past the tile", (conf_kernel)bf16_one_past},
    {"gemm_i8", "takes A for signed", (conf_kernel)i8_signed_a},
    {"gemm_i8", "takes B for unsigned", (conf_kernel)i8_unsigned_b},
    {"gemm_i8", "saturates sums of two to 16 bits, as VPMADDUBSW does", (conf_kernel)i8_saturates},
    {"gemm_i8", "forgets the correction", (conf_kernel)i8_uncorrected},
    {"gemm_i8", "applies one scale after the other", (conf_kernel)i8_scales_in_turn},
    {"gemm_i8", "sums in float", (conf_kernel)i8_sums_in_float},
    {"gemm_i8", "writes all columns of the tile", (conf_kernel)i8_whole_columns},
    {"quantise_u8", "rounds halves away from zero", (conf_kernel)quantise_away_from_zero},
    {"quantise_u8", "reaches 0", (conf_kernel)quantise_to_minus_128},
    {"quantise_u8", "takes NaN for a number", (conf_kernel)quantise_nan_low},
    {"quantise_u8", "does not round the product", (conf_kernel)quantise_unrounded_product},
    {"absmax_f32", "skips the tail", (conf_kernel)absmax_skips_tail},
    {"absmax_f32", "forgets a NaN", (conf_kernel)absmax_forgets_nan},
    {"absmax_f32", "ignores negative numbers", (conf_kernel)absmax_positive},
    {"f32_to_bf16_pairs", "swaps the halves", (conf_kernel)pairs_swapped},
    {"f32_to_bf16_pairs", "truncates the upper half", (conf_kernel)pairs_truncated},
    {"f32_to_bf16_pairs", "flushes subnormals, as AVX512-BF16 does", (conf_kernel)pairs_flushed},
    {"f32_to_bf16_pairs", "doubles a row that stands alone", (conf_kernel)pairs_of_null},
    {"f32_to_bf16_runs", "leaves the last run as it was", (conf_kernel)runs_unfilled},
    {"f32_to_bf16_runs", "writes runs without a gap", (conf_kernel)runs_side_by_side},
    {"f32_to_bf16_runs", "swaps the halves", (conf_kernel)runs_swapped},
    {"bf16_pairs_to_f32", "swaps the halves", (conf_kernel)unpaired_swapped},
    {"bf16_pairs_to_f32", "leaves the lower half in the upper one", (conf_kernel)unpaired_unmasked},
};

const conf_breakage *conf_breakages_reduced(size_t *count)
{
    kern_spec_fill(&good);
    *count = sizeof breakages / sizeof *breakages;
    return breakages;
}
