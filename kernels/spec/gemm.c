/* GEMM, the specification: the micro-kernel, its panel packing and the epilogue. Contracts: kernels.h. */
#include "kernels/spec/parts.h"

#include <math.h>
#include <string.h>

static const kern_gemm_blocks blocks = {.mr = 4, .nr = 8, .kc = 256, .mc = 64, .nc = 256, .run = 1};

static void kern_gemm_f32_spec(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                               float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    const size_t row = lda == KERN_PANEL ? 1 : lda, step = lda == KERN_PANEL ? blocks.mr : 1;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = accumulate ? c[i * ldc + j] : 0.0f;
            for (size_t p = 0; p < k; p++) sum = fmaf(a[i * row + p * step], b[p * ldb + j], sum);
            c[i * ldc + j] = sum;
        }
}

static float bf16_float(uint32_t upper_half)
{
    float x;
    memcpy(&x, &upper_half, sizeof x);
    return x;
}

static void kern_gemm_bf16_spec(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                                size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = accumulate ? c[i * ldc + j] : 0.0f;
            for (size_t p = 0; p < k; p++) {
                const uint32_t x = a[p * lda + i], y = b[p * ldb + j];
                sum = fmaf(bf16_float(x & 0xffff0000u), bf16_float(y & 0xffff0000u), sum);
                sum = fmaf(bf16_float(x << 16), bf16_float(y << 16), sum);
            }
            c[i * ldc + j] = sum;
        }
}

static void kern_gemm_i8_spec(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                              size_t ldb, const int32_t *correction, const float *row_scale, const float *column_scale,
                              float *c, size_t ldc, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int32_t sum = 0;
            for (size_t p = 0; p < k; p++)
                for (unsigned byte = 0; byte < 4; byte++) {
                    const uint8_t x = (uint8_t)(a[p * lda + i] >> 8 * byte), y = (uint8_t)(b[p * ldb + j] >> 8 * byte);
                    sum += x * (y < 128 ? y : y - 256);
                }
            sum = (int32_t)((uint32_t)sum + (uint32_t)correction[j]); /* wraps around where a file holds another number */
            c[i * ldc + j] = (float)sum * (row_scale[i] * column_scale[j]);
        }
}

static void kern_gemm_pack_spec(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel)
{
    const float zero = 0.0f;
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < width; j++)
            memcpy(&panel[p * width + j], j < n ? &x[j * ldx + p] : &zero, sizeof zero); /* bits, not values */
}

static void kern_quantise_u8_spec(size_t n, const float *x, float inverse_scale, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * inverse_scale;
        y[i] = isnan(scaled) ? 128 : (uint8_t)(128 + (int)rintf(fmaxf(-127.0f, fminf(127.0f, scaled))));
    }
}

static float kern_absmax_f32_spec(size_t n, const float *x)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= most)) most = isnan(most) ? most : fabsf(x[i]);
    return most;
}

static float activate(float x, kern_act act)
{
    switch (act) {
    case KERN_ACT_GELU: return (float)kern_gelu_f64_spec(x);
    case KERN_ACT_RELU: return kern_relu_one_spec(x);
    case KERN_ACT_TANH: return (float)tanh((double)x);
    case KERN_ACT_NONE: break;
    }
    return x;
}

static void kern_epilogue_f32_spec(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                                   const float *residual, size_t ldr)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float x = c[i * ldc + j];
            if (bias != NULL) x += bias[j];
            x = activate(x, act);
            if (residual != NULL) x += residual[i * ldr + j];
            c[i * ldc + j] = x;
        }
}

void kern_spec_fill_gemm(kern_table *t)
{
    t->gemm_blocks = t->bf16_blocks = t->i8_blocks = blocks;
    t->gemm_f32 = kern_gemm_f32_spec;
    t->gemm_bf16 = kern_gemm_bf16_spec;
    t->gemm_i8 = kern_gemm_i8_spec;
    t->gemm_pack = kern_gemm_pack_spec;
    t->quantise_u8 = kern_quantise_u8_spec;
    t->absmax_f32 = kern_absmax_f32_spec;
    t->epilogue_f32 = kern_epilogue_f32_spec;
}
