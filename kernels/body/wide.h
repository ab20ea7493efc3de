/* Sixteen floats widened to double, for sums over many rows. */
#ifndef KERNELS_BODY_WIDE_H
#define KERNELS_BODY_WIDE_H

#include "kernels/vector/vector.h"

typedef struct wide {
    f64x8 low, high;
} wide;

KERN_INLINE wide wide_set1(double x)
{
    return (wide){f64x8_set1(x), f64x8_set1(x)};
}

/* The first n doubles, of which 16 count; zeros behind them. */
KERN_INLINE wide wide_load(const double *x, size_t n)
{
    if (n >= 16) return (wide){f64x8_load(x), f64x8_load(x + 8)};
    return (wide){f64x8_load_first(x, n), n > 8 ? f64x8_load_first(x + 8, n - 8) : f64x8_set1(0.0)};
}

/* The first n floats, of which 16 count; zeros behind them. */
KERN_INLINE wide wide_load_f32(const float *x, size_t n)
{
    if (n >= 16) return (wide){f64x8_load_f32(x, 8), f64x8_load_f32(x + 8, 8)};
    return (wide){f64x8_load_f32(x, n), n > 8 ? f64x8_load_f32(x + 8, n - 8) : f64x8_set1(0.0)};
}

KERN_INLINE void wide_store(double *y, size_t n, wide v)
{
    f64x8_store_first(y, n, v.low);
    if (n > 8) f64x8_store_first(y + 8, n - 8, v.high);
}

KERN_INLINE wide wide_of(f32x16 v)
{
    return (wide){f64x8_low(v), f64x8_high(v)};
}

KERN_INLINE wide wide_add(wide a, wide b)
{
    return (wide){f64x8_add(a.low, b.low), f64x8_add(a.high, b.high)};
}

KERN_INLINE wide wide_mul(wide a, wide b)
{
    return (wide){f64x8_mul(a.low, b.low), f64x8_mul(a.high, b.high)};
}

/* s + a b, a b being exact in double: a product of two floats. */
KERN_INLINE wide wide_add_product(wide a, wide b, wide s)
{
    return (wide){f64x8_add_product(a.low, b.low, s.low), f64x8_add_product(a.high, b.high, s.high)};
}

#endif
