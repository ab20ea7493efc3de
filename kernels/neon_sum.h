/* Sums and maximum over a contiguous vector. Blocks of 512 elements are summed in float, in four accumulators of four
 * lanes; the blocks are added up in double, so that a sum over minutes of audio is as accurate as one over a row of
 * 512. The order depends on n alone. */
#ifndef KERNELS_NEON_SUM_H
#define KERNELS_NEON_SUM_H

#include "kernels/neon_math.h"

#define NEON_SUM_BLOCK 512

/* The four accumulators' total, in double. */
static inline double neon_total(const float32x4_t *acc)
{
    float32x4_t v = vaddq_f32(vaddq_f32(acc[0], acc[1]), vaddq_f32(acc[2], acc[3]));
    return vaddvq_f64(vaddq_f64(vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)));
}

/* sum over i of x[i]. */
static inline double neon_sum(size_t n, const float *x)
{
    double total = 0.0;
    for (size_t start = 0; start < n; start += NEON_SUM_BLOCK) {
        const size_t end = n - start < NEON_SUM_BLOCK ? n : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t i = start;
        for (; i + 16 <= end; i += 16)
            for (size_t q = 0; q < 4; q++) acc[q] = vaddq_f32(acc[q], vld1q_f32(x + i + 4 * q));
        for (; i + 4 <= end; i += 4) acc[0] = vaddq_f32(acc[0], vld1q_f32(x + i));
        if (i < end) acc[1] = vaddq_f32(acc[1], neon_load_part(x + i, end - i, 0.0f));
        total += neon_total(acc);
    }
    return total;
}

/* sum over i of (x[i] - mean)^2. */
static inline double neon_sum_squared_deviation(size_t n, const float *x, float mean)
{
    const float32x4_t mu = vdupq_n_f32(mean);
    double total = 0.0;
    for (size_t start = 0; start < n; start += NEON_SUM_BLOCK) {
        const size_t end = n - start < NEON_SUM_BLOCK ? n : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t i = start;
        for (; i + 16 <= end; i += 16)
            for (size_t q = 0; q < 4; q++) {
                float32x4_t d = vsubq_f32(vld1q_f32(x + i + 4 * q), mu);
                acc[q] = vfmaq_f32(acc[q], d, d);
            }
        for (; i < end; i += 4) {
            /* Filled up with the mean: those lanes add zero. */
            float32x4_t v = end - i < 4 ? neon_load_part(x + i, end - i, mean) : vld1q_f32(x + i);
            float32x4_t d = vsubq_f32(v, mu);
            acc[0] = vfmaq_f32(acc[0], d, d);
        }
        total += neon_total(acc);
    }
    return total;
}

/* sum over i of x[i] * y[i]. */
static inline double neon_dot(size_t n, const float *x, const float *y)
{
    double total = 0.0;
    for (size_t start = 0; start < n; start += NEON_SUM_BLOCK) {
        const size_t end = n - start < NEON_SUM_BLOCK ? n : start + NEON_SUM_BLOCK;
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
        size_t i = start;
        for (; i + 16 <= end; i += 16)
            for (size_t q = 0; q < 4; q++)
                acc[q] = vfmaq_f32(acc[q], vld1q_f32(x + i + 4 * q), vld1q_f32(y + i + 4 * q));
        for (; i + 4 <= end; i += 4) acc[0] = vfmaq_f32(acc[0], vld1q_f32(x + i), vld1q_f32(y + i));
        if (i < end)
            acc[1] = vfmaq_f32(acc[1], neon_load_part(x + i, end - i, 0.0f), neon_load_part(y + i, end - i, 0.0f));
        total += neon_total(acc);
    }
    return total;
}

/* The largest x[i]; -inf for n = 0. fmax of the instruction set keeps NaN. */
static inline float neon_max(size_t n, const float *x)
{
    const float least = -__builtin_inff();
    float32x4_t a = vdupq_n_f32(least), b = a;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        a = vmaxq_f32(a, vld1q_f32(x + i));
        b = vmaxq_f32(b, vld1q_f32(x + i + 4));
    }
    for (; i < n; i += 4) a = vmaxq_f32(a, n - i < 4 ? neon_load_part(x + i, n - i, least) : vld1q_f32(x + i));
    return vmaxvq_f32(vmaxq_f32(a, b));
}

#endif
