/* Conformance of GEMM: micro-kernel, panel packing, epilogue. */
#include "tests/kernels/conformance/conformance.h"

#include <math.h>
#include <string.h>

/* The panel of width `width` that holds a's m rows: for the reference's and the kernel's own width. */
static const float *panel_of(conf_run *r, size_t width, size_t m, size_t k, const float *a, size_t lda)
{
    float *panel = conf_f32(r, k, width, width);
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < m; i++) panel[p * width + i] = a[i * lda + p];
    return panel;
}

/* One call of the micro-kernel on rows of a that may overlap, or on a panel of them; the columns of b beyond n and of
 * the panel beyond m stay sentinel. */
static void gemm_case(conf_run *r, size_t m, size_t n, size_t k, bool accumulate, size_t lda, bool panel,
                      conf_values values)
{
    const size_t mark = conf_mark(r), nr = r->sut->gemm_blocks.nr;
    const size_t ldb = nr + (conf_below(r, 2) == 0 ? 0 : 5), ldc = n + conf_below(r, 2) * 7;
    conf_case(r, "m %zu n %zu k %zu lda %zu panel %d ldb %zu ldc %zu accumulate %d", m, n, k, lda, panel, ldb, ldc,
              accumulate);

    const size_t span = m == 0 || k == 0 ? 0 : (m - 1) * lda + k;
    const float *a = lda < k ? conf_f32_filled(r, 1, span, span, values) : conf_f32_filled(r, m, k, lda, values);
    const float *a_panel = panel ? panel_of(r, r->sut->gemm_blocks.mr, m, k, a, lda) : NULL;
    float *b = conf_f32(r, k, nr, ldb);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++) b[p * ldb + j] = conf_value(r, values);
    float *want = accumulate ? conf_f32_filled(r, m, n, ldc, values) : conf_f32(r, m, n, ldc);
    float *got = accumulate ? conf_f32_copy(r, m, n, ldc, want, ldc) : conf_f32(r, m, n, ldc);

    r->ref->gemm_f32(m, n, k, a, lda, b, ldb, want, ldc, accumulate, NULL);
    const kern_ahead ahead = {want, 64};
    r->sut->gemm_f32(m, n, k, panel ? a_panel : a, panel ? KERN_PANEL : lda, b, ldb, got, ldc, accumulate,
                     accumulate ? &ahead : NULL);
    conf_expect_bits(r, "c", m, n, got, ldc, want, ldc);
    conf_release(r, mark);
}

void conf_gemm_f32(conf_run *r)
{
    static const size_t depths[] = {0, 1, 2, 3, 4, 7, 10, 64, 257};
    const size_t mr = r->sut->gemm_blocks.mr, nr = r->sut->gemm_blocks.nr;
    for (size_t m = 0; m <= mr; m++)
        for (size_t n = 0; n <= nr; n++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                for (unsigned variant = 0; variant < 4 && !r->failed; variant++) {
                    const size_t k = depths[d], strides[4] = {k, k + 3, k / 3, 1};
                    const size_t lda = strides[conf_below(r, 4)];
                    const conf_values values =
                        conf_below(r, 2) == 0 ? CONF_NORMAL : (conf_values)conf_below(r, CONF_VALUES_COUNT);
                    gemm_case(r, m, n, k, variant & 1, lda == 0 ? 1 : lda, variant & 2, values);
                }
}

/* The expected panel is written out here: it is hardly shorter than its definition. Bits, not values: units may be
 * integers. */
static void pack_case(conf_run *r, size_t width, size_t n, size_t k, size_t ldx)
{
    const size_t mark = conf_mark(r);
    conf_case(r, "width %zu n %zu k %zu ldx %zu", width, n, k, ldx);
    float *x = conf_f32(r, n, k, ldx), *want = conf_f32(r, 1, k * width, k * width),
          *got = conf_f32(r, 1, k * width, k * width);
    const float zero = 0.0f;
    for (size_t j = 0; j < n; j++)
        for (size_t p = 0; p < k; p++) {
            const uint32_t unit = (uint32_t)conf_random(r);
            memcpy(&x[j * ldx + p], &unit, sizeof unit);
        }
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < width; j++) memcpy(&want[p * width + j], j < n ? &x[j * ldx + p] : &zero, sizeof zero);
    r->sut->gemm_pack(width, n, k, x, ldx, got);
    for (size_t i = 0; i < k * width; i++)
        conf_expect_share(r, "panel", i / width, i % width, got[i], want[i],
                          memcmp(&got[i], &want[i], sizeof zero) == 0 ? 0.0 : INFINITY);
    conf_release(r, mark);
}

void conf_gemm_pack(conf_run *r)
{
    const size_t widths[] = {r->sut->gemm_blocks.mr, r->sut->gemm_blocks.nr, 1 + conf_below(r, 40)};
    for (size_t w = 0; w < 3; w++)
        for (size_t n = 0; n <= widths[w]; n++)
            for (size_t k = 0; k < 70 && !r->failed; k++) {
                pack_case(r, widths[w], n, k, k);
                pack_case(r, widths[w], n, k == 69 ? 513 : k, k == 69 ? 520 : k + 1 + conf_below(r, 4));
            }
}

static double activation_share(kern_act act, float x, float got, float want)
{
    switch (act) {
    case KERN_ACT_GELU: return conf_share_gelu(x, got, want);
    case KERN_ACT_TANH: return conf_share_tanh(x, got, want);
    case KERN_ACT_NONE:
    case KERN_ACT_RELU: break;
    }
    return got == want ? 0.0 : INFINITY;
}

/* Bias and residual are single float additions, so without a transcendental activation the bits must agree, and with
 * one and no residual its own bound holds. With a residual, the activation's error moves the sum, which rounds once
 * more. */
static void epilogue_verdict(conf_run *r, size_t i, size_t j, kern_act act, float before, float bias,
                             const float *residual, float got, float want)
{
    const float x = before + bias;
    if (residual == NULL || act == KERN_ACT_NONE || act == KERN_ACT_RELU) {
        conf_expect_share(r, "c", i, j, got, want, activation_share(act, x, got, want));
        return;
    }
    float y;
    if (act == KERN_ACT_GELU)
        r->ref->gelu_f32(1, &x, &y);
    else
        r->ref->tanh_f32(1, &x, &y);
    const double own = act == KERN_ACT_GELU && x <= -2.0f ? 0x1p-23 * fabs((double)x) : 0x1p-21 * fabs((double)y);
    conf_expect_bound(r, "c", i, j, got, want, own + 2.0 * CONF_EPS * fabs((double)want) + 0x1p-148);
}

static void epilogue_case(conf_run *r, size_t m, size_t n, kern_act act, bool with_bias, bool with_residual)
{
    const size_t mark = conf_mark(r), ldc = n + conf_below(r, 2) * 3, ldr = n + conf_below(r, 2) * 5;
    const conf_values values = conf_below(r, 4) == 0 ? CONF_SPECIAL : CONF_NORMAL;
    conf_case(r, "m %zu n %zu ldc %zu act %d bias %d residual %d", m, n, ldc, (int)act, with_bias, with_residual);
    const float *before = conf_f32_filled(r, m, n, ldc, values);
    const float *bias = with_bias ? conf_f32_filled(r, 1, n, n, CONF_NORMAL) : NULL;
    const float *residual = with_residual ? conf_f32_filled(r, m, n, ldr, CONF_NORMAL) : NULL;
    float *want = conf_f32_copy(r, m, n, ldc, before, ldc), *got = conf_f32_copy(r, m, n, ldc, before, ldc);
    r->ref->epilogue_f32(m, n, want, ldc, bias, act, residual, ldr);
    r->sut->epilogue_f32(m, n, got, ldc, bias, act, residual, ldr);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            epilogue_verdict(r, i, j, act, before[i * ldc + j], with_bias ? bias[j] : 0.0f,
                             with_residual ? residual + i * ldr + j : NULL, got[i * ldc + j], want[i * ldc + j]);
    if (m > 0) { /* a row by itself */
        const size_t i = conf_below(r, m);
        float *alone = conf_f32_copy(r, 1, n, n, before + i * ldc, n);
        r->sut->epilogue_f32(1, n, alone, n, bias, act, with_residual ? residual + i * ldr : NULL, ldr);
        conf_expect_bits(r, "row alone", 1, n, got + i * ldc, ldc, alone, n);
    }
    conf_release(r, mark);
}

void conf_epilogue_f32(conf_run *r)
{
    static const kern_act acts[] = {KERN_ACT_NONE, KERN_ACT_GELU, KERN_ACT_RELU, KERN_ACT_TANH};
    for (size_t n = 0; n < 70; n++)
        for (size_t m = 0; m < 4; m++)
            for (size_t variant = 0; variant < 16 && !r->failed; variant++)
                epilogue_case(r, m, n == 69 ? 515 : n, acts[variant / 4], variant & 1, variant & 2);
}
