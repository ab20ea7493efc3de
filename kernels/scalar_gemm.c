/* GEMM, scalar: the micro-kernel, its panel packing and the epilogue. Contracts: kernels.h. */
#include "kernels/scalar.h"

#include <math.h>

static const kern_gemm_blocks blocks_scalar = {.mr = 4, .nr = 8, .kc = 256, .mc = 64, .nc = 256};

static void kern_gemm_f32_scalar(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                                 float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)ahead;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = accumulate ? c[i * ldc + j] : 0.0f;
            for (size_t p = 0; p < k; p++) sum = fmaf(a[i * lda + p], b[p * ldb + j], sum);
            c[i * ldc + j] = sum;
        }
}

static void kern_gemm_pack_f32_scalar(size_t n, size_t k, const float *w, size_t ldw, float *panel)
{
    const size_t nr = blocks_scalar.nr;
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < nr; j++) panel[p * nr + j] = j < n ? w[j * ldw + p] : 0.0f;
}

static float activate(float x, kern_act act)
{
    switch (act) {
    case KERN_ACT_GELU: return (float)kern_gelu_f64_scalar(x);
    case KERN_ACT_RELU: return kern_relu_one_scalar(x);
    case KERN_ACT_TANH: return (float)tanh((double)x);
    case KERN_ACT_NONE: break;
    }
    return x;
}

static void kern_epilogue_f32_scalar(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
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

void kern_table_fill_scalar_gemm(kern_table *t)
{
    t->gemm_blocks_f32 = blocks_scalar;
    t->gemm_f32 = kern_gemm_f32_scalar;
    t->gemm_pack_f32 = kern_gemm_pack_f32_scalar;
    t->epilogue_f32 = kern_epilogue_f32_scalar;
}
