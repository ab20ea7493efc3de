/* The specification's kernels of the reduced precisions against values computed by hand. */
#include "kernels/spec/spec.h"
#include "tests/support/compare.h"

#include <criterion/criterion.h>
#include <math.h>

static char report[256];

static kern_table spec(void)
{
    kern_table t;
    kern_spec_fill(&t);
    return t;
}

/* bf16: 1 = 3f80, 2 = 4000, 3 = 4040, -1 = bf80, 0.5 = 3f00, 10 = 4120. */
Test(spec_reduced, gemm_bf16_multiplies_pairs)
{
    const kern_table t = spec();
    const uint32_t a[2 * 2] = {0x40003f80, 0xbf803f00, 0x00004040, 0x3f804120}; /* rows [1 2 3 0], [0.5 -1 10 1] */
    const uint32_t b[2 * 8] = {[0] = 0x3f804120, [1] = 0x40003f80, [8] = 0x41203f80, [9] = 0x3f003f00};
    /* columns [10 1 1 10] and [1 2 0.5 0.5] */
    float c[2 * 3] = {NAN, NAN, 7, NAN, NAN, 7};
    t.gemm_bf16(2, 2, 2, a, 2, b, 8, c, 3, false, NULL);
    const float once[6] = {15, 6.5f, 7, 24, 4, 7}, twice[6] = {30, 13, 7, 48, 8, 7};
    cr_assert(cmp_bits(c, once, 6, report, sizeof report), "%s", report);
    t.gemm_bf16(2, 2, 2, a, 2, b, 8, c, 3, true, NULL);
    cr_assert(cmp_bits(c, twice, 6, report, sizeof report), "%s", report);
}

/* 2^24 + 1 is no float: whichever product comes first decides. Element 1 goes before element 0. */
Test(spec_reduced, gemm_bf16_takes_the_upper_half_first)
{
    const kern_table t = spec();
    const uint32_t a[1] = {0x4b803f80}, b[1] = {0x3f803f80}; /* [1, 2^24] x [1, 1] */
    float c = -0x1p24f;
    t.gemm_bf16(1, 1, 1, a, 1, b, 1, &c, 1, true, NULL);
    cr_assert_eq(c, 1.0f);
}

Test(spec_reduced, gemm_i8_corrects_and_scales)
{
    const kern_table t = spec();
    /* A's values less 128: rows [1 2 3 4], [-127 0 127 -1]; B's columns [1 1 1 1], [-1 2 -127 127]. */
    const uint32_t a[2] = {0x84838281, 0x7fff8001}, b[2] = {0x01010101, 0x7f8102ff};
    const int32_t correction[2] = {-128 * 4, -128 * (-1 + 2 - 127 + 127)};
    const float row_scale[2] = {0.5f, 2}, column_scale[2] = {1, 0.25f};
    float c[2 * 3] = {NAN, NAN, 7, NAN, NAN, 7};
    t.gemm_i8(2, 2, 1, a, 2, b, 2, correction, row_scale, column_scale, c, 3, NULL);
    /* sums 10 and -1 + 4 - 381 + 508 = 130; -1 and 127 - 127 * 127 - 127 = -16129 */
    const float want[6] = {5, 16.25f, 7, -2, -8064.5f, 7};
    cr_assert(cmp_bits(c, want, 6, report, sizeof report), "%s", report);
    t.gemm_i8(1, 1, 0, a, 2, b, 2, (const int32_t[]){0}, row_scale, column_scale, c, 3, NULL);
    cr_assert_eq(c[0], 0.0f);
}

Test(spec_reduced, quantise_u8_rounds_and_holds)
{
    const kern_table t = spec();
    const float x[12] = {0, 0.5f, 1.5f, -0.5f, -1.5f, 126.5f, 127.5f, -127.5f, 1e30f, -INFINITY, NAN, -0.0f};
    const uint8_t want[12] = {128, 128, 130, 128, 126, 254, 255, 1, 255, 1, 128, 128};
    uint8_t y[12];
    t.quantise_u8(12, x, 1.0f, y);
    for (size_t i = 0; i < 12; i++) cr_assert_eq(y[i], want[i], "%zu: %d", i, y[i]);
    t.quantise_u8(2, (const float[]){3, INFINITY}, 0.5f, y);
    cr_assert_eq(y[0], 130, "1.5 goes to 2");
    cr_assert_eq(y[1], 255);
    t.quantise_u8(1, (const float[]){INFINITY}, 0.0f, y);
    cr_assert_eq(y[0], 128, "infinity times 0 is NaN");
}

Test(spec_reduced, absmax_keeps_nan)
{
    const kern_table t = spec();
    const float x[4] = {1, 2, -3, 2}, infinite[2] = {-INFINITY, 1}, bad[3] = {1, NAN, INFINITY};
    cr_assert_eq(t.absmax_f32(4, x), 3.0f);
    cr_assert_eq(t.absmax_f32(2, infinite), INFINITY);
    cr_assert_eq(t.absmax_f32(0, x), 0.0f);
    cr_assert(isnan(t.absmax_f32(3, bad)));
}

Test(spec_reduced, runs_hold_rows_in_turn)
{
    const kern_table t = spec();
    const float x[2][6] = {{1, 2, 3, 4, -1, 99}, {0.5f, 1.00390625f, 1.01171875f, 0, 8, 99}}; /* ties as below */
    uint32_t y[2 * 6];
    memset(y, 0xee, sizeof y);
    t.f32_to_bf16_runs(2, 5, x[0], 6, 2, 6, y);
    const uint32_t want[2 * 6] = {0x40003f80, 0x40804040, 0x3f803f00, 0x3f82, 0xeeeeeeee, 0xeeeeeeee,
                                  0xbf80,     0,          0x4100,     0,      0xeeeeeeee, 0xeeeeeeee};
    for (size_t i = 0; i < 12; i++) cr_assert_eq(y[i], want[i], "%zu: %08x", i, y[i]);
}

Test(spec_reduced, pairs_hold_two_rows)
{
    const kern_table t = spec();
    const float low[3] = {1, 1e-45f, NAN}, high[3] = {-2, 1.00390625f, 1.01171875f}; /* ties at 1+2^-8, 1+3*2^-8 */
    uint32_t y[3];
    t.f32_to_bf16_pairs(3, low, high, y);
    const uint32_t want[3] = {0xc0003f80, 0x3f800000, 0x3f827fc0}, alone[3] = {0x3f80, 0, 0x7fc0};
    for (size_t i = 0; i < 3; i++) cr_assert_eq(y[i], want[i], "%zu: %08x", i, y[i]);
    float back[2][3];
    t.bf16_pairs_to_f32(3, y, back[0], back[1]);
    const float lows[3] = {1, 0, NAN}, highs[3] = {-2, 1, 1.015625f};
    cr_assert(cmp_bits(back[0], lows, 3, report, sizeof report), "%s", report);
    cr_assert(cmp_bits(back[1], highs, 3, report, sizeof report), "%s", report);
    t.f32_to_bf16_pairs(3, low, NULL, y);
    for (size_t i = 0; i < 3; i++) cr_assert_eq(y[i], alone[i], "%zu: %08x", i, y[i]);
    const float untouched = back[1][0];
    t.bf16_pairs_to_f32(3, y, back[0], NULL);
    cr_assert(cmp_bits(back[0], lows, 3, report, sizeof report), "%s", report);
    cr_assert_eq(back[1][0], untouched);
}
