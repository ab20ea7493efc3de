/* Four floats widened to double, for sums over many rows. */
#ifndef KERNELS_NEON_DOUBLE_H
#define KERNELS_NEON_DOUBLE_H

#include <arm_neon.h>
#include <stddef.h>
#include <string.h>

typedef struct neon_wide {
    float64x2_t low, high;
} neon_wide;

static inline neon_wide neon_wide_load(const double *x)
{
    return (neon_wide){vld1q_f64(x), vld1q_f64(x + 2)};
}

/* The first n <= 4 doubles of x, zeros after them. */
static inline neon_wide neon_wide_load_part(const double *x, size_t n)
{
    double lane[4] = {0.0};
    memcpy(lane, x, n * sizeof *x);
    return neon_wide_load(lane);
}

static inline void neon_wide_store(double *y, neon_wide v)
{
    vst1q_f64(y, v.low);
    vst1q_f64(y + 2, v.high);
}

/* Stores the first n <= 4 lanes of v. */
static inline void neon_wide_store_part(double *y, size_t n, neon_wide v)
{
    double lane[4];
    neon_wide_store(lane, v);
    memcpy(y, lane, n * sizeof *y);
}

static inline neon_wide neon_widen(float32x4_t v)
{
    return (neon_wide){vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)};
}

static inline neon_wide neon_wide_add(neon_wide s, neon_wide v)
{
    return (neon_wide){vaddq_f64(s.low, v.low), vaddq_f64(s.high, v.high)};
}

/* s + a * b. Products of two floats are exact in double, so that fusing them changes no bit. */
static inline neon_wide neon_wide_fma(neon_wide s, neon_wide a, neon_wide b)
{
    return (neon_wide){vfmaq_f64(s.low, a.low, b.low), vfmaq_f64(s.high, a.high, b.high)};
}

#endif
