/* What a GEMM's result goes through while it is still in cache: bias, activation, residual. */
#include "kernels/neon.h"
#include "kernels/neon_math.h"

static inline __attribute__((always_inline)) float32x4_t activate(float32x4_t v, kern_act act)
{
    switch (act) {
    case KERN_ACT_GELU:
        return neon_gelu(v);
    case KERN_ACT_RELU:
        return neon_relu(v);
    case KERN_ACT_TANH:
        return neon_tanh(v);
    case KERN_ACT_NONE:
        break;
    }
    return v;
}

/* act is a constant at each call; the tests for NULL leave the inner loop by themselves. */
static inline __attribute__((always_inline)) void run(size_t m, size_t n, float *c, size_t ldc, const float *bias,
                                                      kern_act act, const float *residual, size_t ldr)
{
    for (size_t i = 0; i < m; i++) {
        float *ci = c + i * ldc;
        const float *ri = residual ? residual + i * ldr : NULL;
        size_t j = 0;
        for (; j + 4 <= n; j += 4) {
            float32x4_t v = vld1q_f32(ci + j);
            if (bias) v = vaddq_f32(v, vld1q_f32(bias + j));
            v = activate(v, act);
            if (ri) v = vaddq_f32(v, vld1q_f32(ri + j));
            vst1q_f32(ci + j, v);
        }
        if (j < n) {
            float32x4_t v = neon_load_part(ci + j, n - j, 0.0f);
            if (bias) v = vaddq_f32(v, neon_load_part(bias + j, n - j, 0.0f));
            v = activate(v, act);
            if (ri) v = vaddq_f32(v, neon_load_part(ri + j, n - j, 0.0f));
            neon_store_part(ci + j, n - j, v);
        }
    }
}

void kern_epilogue_f32_neon(size_t m, size_t n, float *c, size_t ldc, const float *bias, kern_act act,
                            const float *residual, size_t ldr)
{
    switch (act) {
    case KERN_ACT_NONE:
        run(m, n, c, ldc, bias, KERN_ACT_NONE, residual, ldr);
        break;
    case KERN_ACT_GELU:
        run(m, n, c, ldc, bias, KERN_ACT_GELU, residual, ldr);
        break;
    case KERN_ACT_RELU:
        run(m, n, c, ldc, bias, KERN_ACT_RELU, residual, ldr);
        break;
    case KERN_ACT_TANH:
        run(m, n, c, ldc, bias, KERN_ACT_TANH, residual, ldr);
        break;
    }
}
