/* Sum, maximum and dot product of a contiguous vector. */
#include "kernels/neon.h"
#include "kernels/neon_sum.h"

float kern_sum_f32_neon(size_t n, const float *x)
{
    return (float)neon_sum(n, x);
}

float kern_max_f32_neon(size_t n, const float *x)
{
    return neon_max(n, x);
}

float kern_dot_f32_neon(size_t n, const float *x, const float *y)
{
    return (float)neon_dot(n, x, y);
}
