/* The specification against values known from elsewhere: hand-computed cases, the formats' definitions, and constants
 * from mathematical tables. The tiers are compared with it by conformance/. */
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

Test(spec, gemm_multiplies_strided_and_overlapping_rows)
{
    const kern_table t = spec();
    const float a[4] = {1, 2, 3, 4}; /* rows of 3 at stride 1: [1 2 3], [2 3 4] */
    const float b[3 * 9] = {1, 10, 0, 0, 0, 0, 0, 0, 99, 2, 20, 0, 0, 0, 0, 0, 0, 99, 3, 30};
    float c[2 * 3] = {NAN, NAN, 7, NAN, NAN, 7};
    t.gemm_f32(2, 2, 3, a, 1, b, 9, c, 3, false, NULL);
    const float once[6] = {14, 140, 7, 20, 200, 7}, twice[6] = {28, 280, 7, 40, 400, 7};
    cr_assert(cmp_bits(c, once, 6, report, sizeof report), "%s", report);
    t.gemm_f32(2, 2, 3, a, 1, b, 9, c, 3, true, NULL);
    cr_assert(cmp_bits(c, twice, 6, report, sizeof report), "%s", report);
}

Test(spec, gemm_rounds_once_a_step)
{
    const kern_table t = spec();
    const float x = 1.0f + 0x1p-12f, a[2] = {1.0f, x}, b[16] = {[0] = -1.0f, [8] = x};
    float c[1];
    t.gemm_f32(1, 1, 2, a, 2, b, 8, c, 1, false, NULL); /* -1 + x*x: the 2^-24 survives only a fused step */
    cr_assert_eq(c[0], 0x1p-11f + 0x1p-24f);
}

Test(spec, gemm_pack_transposes_and_pads)
{
    const kern_table t = spec();
    const size_t nr = t.gemm_blocks.nr;
    const float w[2 * 4] = {1, 2, 3, NAN, 4, 5, 6, NAN};
    float panel[3 * 64], want[3 * 64] = {0};
    cr_assert_leq(nr, 64);
    for (size_t p = 0; p < 3; p++)
        for (size_t j = 0; j < 2; j++) want[p * nr + j] = w[j * 4 + p];
    t.gemm_pack(nr, 2, 3, w, 4, panel);
    cr_assert(cmp_bits(panel, want, 3 * nr, report, sizeof report), "%s", report);
}

Test(spec, epilogue_applies_bias_activation_residual)
{
    const kern_table t = spec();
    const float bias[2] = {1, -5}, residual[2] = {100, 200};
    float c[2] = {2, 3}, relu[2] = {103, 200};
    t.epilogue_f32(1, 2, c, 2, bias, KERN_ACT_RELU, residual, 2);
    cr_assert(cmp_bits(c, relu, 2, report, sizeof report), "%s", report);
    float g[2] = {1, -1}, gelu[2] = {0.841344746f, -0.158655254f}; /* +-Phi(+-1) */
    t.epilogue_f32(1, 2, g, 2, NULL, KERN_ACT_GELU, NULL, 0);
    cr_assert(cmp_ulp(g, gelu, 2, 0, report, sizeof report), "%s", report);
    float h[1] = {1}, tanh1[1] = {0.761594156f};
    t.epilogue_f32(1, 1, h, 1, NULL, KERN_ACT_TANH, NULL, 0);
    cr_assert(cmp_ulp(h, tanh1, 1, 0, report, sizeof report), "%s", report);
}

Test(spec, math_at_known_points)
{
    const kern_table t = spec();
    float x[6] = {0, 1, -1, -INFINITY, INFINITY, NAN}, y[6];
    const float e[6] = {1, 2.71828183f, 0.367879441f, 0, INFINITY, NAN};
    t.exp_f32(6, x, y);
    cr_assert(cmp_bits(y, e, 6, report, sizeof report), "%s", report);
    const float th[6] = {0, 0.761594156f, -0.761594156f, -1, 1, NAN};
    t.tanh_f32(6, x, y);
    cr_assert(cmp_bits(y, th, 6, report, sizeof report), "%s", report);
    const float s[6] = {0.5f, 0.731058579f, 0.268941421f, 0, 1, NAN};
    t.sigmoid_f32(6, x, y);
    cr_assert(cmp_bits(y, s, 6, report, sizeof report), "%s", report);
    const float g[6] = {0, 0.841344746f, -0.158655254f, -0.0f, INFINITY, NAN};
    t.gelu_f32(6, x, y);
    cr_assert(cmp_bits(y, g, 6, report, sizeof report), "%s", report);
    const float r[6] = {0, 1, 0, 0, INFINITY, NAN};
    t.relu_f32(6, x, x); /* in place */
    cr_assert(cmp_bits(x, r, 6, report, sizeof report), "%s", report);
}

Test(spec, layer_norm_of_a_ramp)
{
    const kern_table t = spec();
    const float x[4] = {1, 2, 3, 4}, gamma[4] = {1, 2, 1, 1}, beta[4] = {0, 0, 10, 0};
    float y[4], mean, rstd;
    t.layer_norm_f32(1, 4, x, 4, gamma, beta, 0.0f, y, 4, &mean, &rstd);
    const double r = 1.0 / sqrt(1.25);
    const float want[4] = {(float)(-1.5 * r), (float)(-1.0 * r), (float)(0.5 * r + 10), (float)(1.5 * r)};
    cr_assert(cmp_ulp(y, want, 4, 0, report, sizeof report), "%s", report);
    cr_assert_eq(mean, 2.5f);
    cr_assert_eq(rstd, (float)r);
    t.layer_norm_f32(1, 0, x, 4, gamma, beta, 0.0f, y, 4, &mean, &rstd);
    cr_assert_eq(mean, 2.5f, "n = 0 writes nothing");
}

Test(spec, channel_moments_weigh_and_accumulate)
{
    const kern_table t = spec();
    const float x[4] = {1, 2, 3, 4}, weight[2] = {2, 10};
    double sum[2] = {100, 0}, sumsq[2] = {0, 0};
    t.channel_moments_f32(2, 2, x, 2, weight, sum, sumsq);
    const double want[4] = {132, 44, 92, 168}, got[4] = {sum[0], sum[1], sumsq[0], sumsq[1]};
    cr_assert(cmp_abs_rel_f64(got, want, 4, 0, 0, report, sizeof report), "%s", report);
}

Test(spec, reductions)
{
    const kern_table t = spec();
    const float x[4] = {1, -2, 3, 0.5f}, y[4] = {2, 1, 1, 4}, bad[3] = {1, NAN, 3};
    cr_assert_eq(t.sum_f32(4, x), 2.5f);
    cr_assert_eq(t.dot_f32(4, x, y), 5.0f);
    cr_assert_eq(t.max_f32(4, x), 3.0f);
    cr_assert_eq(t.max_f32(0, x), -INFINITY);
    cr_assert(isnan(t.max_f32(3, bad)));
}

Test(spec, softmax_of_logarithms)
{
    const kern_table t = spec();
    float x[3] = {logf(1), logf(2), logf(5)};
    const float want[3] = {0.125f, 0.25f, 0.625f};
    t.softmax_f32(3, x, x);
    cr_assert(cmp_ulp(x, want, 3, 2, report, sizeof report), "%s", report);
}

/* Two tiles of two keys must combine to one softmax over four. */
Test(spec, attention_softmax_is_online)
{
    const kern_table t = spec();
    const float gate[2] = {1.0f, 0.5f}, table[5] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f}; /* key - query = -1 .. 3 */
    float s[2][4] = {{1, -2, 3, 0.5f}, {-1, 0, 2, 7}}, got[8], want[8];
    for (size_t r = 0; r < 2; r++) {
        double e[4], sum = 0;
        for (size_t j = 0; j < 4; j++) sum += e[j] = exp(s[r][j] * 0.5 + (double)gate[r] * table[j + 1 - r]);
        for (size_t j = 0; j < 4; j++) want[r * 4 + j] = (float)(e[j] / sum);
    }
    float max[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, first[2], second[2], third[2];
    t.attention_softmax_f32(2, 2, &s[0][0], 4, 0.5f, gate, table + 1, max, sum, first);
    t.attention_softmax_f32(2, 2, &s[0][2], 4, 0.5f, gate, table + 3, max, sum, second);
    t.attention_softmax_f32(2, 0, &s[0][0], 4, 0.5f, gate, table + 1, max, sum, third);
    for (size_t r = 0; r < 2; r++) {
        cr_assert_eq(first[r], 0.0f);
        cr_assert_eq(third[r], 1.0f);
        for (size_t j = 0; j < 4; j++) got[r * 4 + j] = s[r][j] * (j < 2 ? second[r] : 1.0f) / sum[r];
    }
    cr_assert(cmp_ulp(got, want, 8, 4, report, sizeof report), "%s", report);
}

Test(spec, relative_gate_by_hand)
{
    const kern_table t = spec();
    const float x[4] = {1, 2, 3, 4}, w[4] = {0.5f, -0.25f, 0.125f, 1}, b[2] = {0.5f, -1}, constant[2] = {1, 3};
    float gate[4] = {0, NAN, 0, NAN}, want[4];
    for (size_t h = 0; h < 2; h++) {
        const double x0 = x[2 * h], x1 = x[2 * h + 1];
        const double a = 1 / (1 + exp(-(0.5 * x0 - 0.25 * x1 + 0.5))), g = 1 / (1 + exp(-(0.125 * x0 + x1 - 1)));
        want[2 * h] = (float)(a * (g * constant[h] - 1) + 2);
        want[2 * h + 1] = NAN;
    }
    t.relative_gate_f32(1, 2, 2, x, 4, w, b, constant, gate, 2);
    cr_assert(cmp_bits(gate, want, 4, report, sizeof report), "%s", report);
}

/* Every half means (-1)^s * 2^(e-15) * 1.f, or 2^-14 * 0.f for e = 0. */
Test(spec, every_half_has_its_value_and_comes_back)
{
    const kern_table t = spec();
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t x = (uint16_t)h;
        const int e = h >> 10 & 31, f = h & 1023;
        float y, want = e == 31 ? (f ? NAN : INFINITY) : e ? ldexpf(1024.0f + f, e - 25) : ldexpf((float)f, -24);
        if (h & 0x8000) want = -want;
        uint16_t back;
        t.f16_to_f32(1, &x, &y);
        cr_assert(cmp_bits(&y, &want, 1, report, sizeof report), "%04x: %s", h, report);
        t.f32_to_f16(1, &y, &back);
        cr_assert_eq(back, isnan(y) ? x | 0x200 : x, "%04x", h);
    }
}

/* Between neighbouring halves: nearer goes near, the middle goes to the even one. */
Test(spec, f32_to_f16_rounds_to_nearest_even)
{
    const kern_table t = spec();
    for (uint16_t h = 0; h < 0x7c00; h++) {
        const uint16_t pair[2] = {h, (uint16_t)(h + 1)};
        float edge[2];
        t.f16_to_f32(2, pair, edge);
        if (isinf(edge[1])) edge[1] = 65536.0f;
        const float middle = 0.5f * (edge[0] + edge[1]); /* exact: halves have 11 bits */
        const float x[3] = {nextafterf(middle, 0.0f), middle, nextafterf(middle, INFINITY)};
        uint16_t y[3];
        t.f32_to_f16(3, x, y);
        cr_assert(y[0] == h && y[1] == h + (h & 1) && y[2] == h + 1, "%04x: %04x %04x %04x", h, y[0], y[1], y[2]);
    }
}

Test(spec, bf16_is_the_upper_half_of_a_float)
{
    const kern_table t = spec();
    const float x[6] = {1.0f, 1.00390625f, 1.01171875f, -3.4028234664e38f, NAN, 1e-45f}; /* ties at 1+2^-8, 1+3*2^-8 */
    const uint16_t want[6] = {0x3f80, 0x3f80, 0x3f82, 0xff80, 0x7fc0, 0};
    uint16_t y[6];
    t.f32_to_bf16(6, x, y);
    for (size_t i = 0; i < 6; i++) cr_assert_eq(y[i], want[i], "%zu: %04x", i, y[i]);
    const uint16_t one = 0x3f80;
    float back;
    t.bf16_to_f32(1, &one, &back);
    cr_assert_eq(back, 1.0f);
}

Test(spec, rows_and_vectors_in_place)
{
    const kern_table t = spec();
    float x[4] = {1, 2, 3, 4}, y[4] = {10, 20, 30, 40};
    const float factor[2] = {2, -1}, scale[2] = {1, 10}, shift[2] = {0, 1};
    t.scale_rows_f32(2, 2, x, 2, factor);
    const float scaled[4] = {2, 4, -3, -4}, affine[4] = {2, 41, -3, -39}, axpy[4] = {14, 102, 24, -38};
    cr_assert(cmp_bits(x, scaled, 4, report, sizeof report), "%s", report);
    t.channel_affine_f32(2, 2, x, 2, scale, shift, x, 2);
    cr_assert(cmp_bits(x, affine, 4, report, sizeof report), "%s", report);
    t.axpy_f32(4, 2.0f, x, y);
    cr_assert(cmp_bits(y, axpy, 4, report, sizeof report), "%s", report);
    t.add_f32(4, x, y, y);
    t.mul_f32(4, x, y, y);
    const float product[4] = {2 * 16, 41 * 143, -3 * 21, 39 * 77};
    cr_assert(cmp_bits(y, product, 4, report, sizeof report), "%s", report);
}
