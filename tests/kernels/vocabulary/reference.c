/* What the functions of the vocabulary mean, in plain C that owes nothing to kernels/vector/. */
#include "tests/kernels/vocabulary/vocabulary.h"

#include <math.h>

float voc_add(float a, float b, float c) { return (void)c, a + b; }
float voc_sub(float a, float b, float c) { return (void)c, a - b; }
float voc_mul(float a, float b, float c) { return (void)c, a * b; }
float voc_div(float a, float b, float c) { return (void)c, a / b; }

/* The root in double, rounded twice, is the rounded root: 53 >= 2 * 24 + 2. */
float voc_sqrt(float a, float b, float c) { return (void)b, (void)c, (float)sqrt((double)a); }

float voc_fma(float a, float b, float c) { return fmaf(a, b, c); }
float voc_fms(float a, float b, float c) { return fmaf(a, b, -c); }
float voc_fnma(float a, float b, float c) { return fmaf(-a, b, c); }
float voc_min(float a, float b, float c) { return (void)c, a < b ? a : b; }
float voc_max(float a, float b, float c) { return (void)c, a > b ? a : b; }
float voc_abs(float a, float b, float c) { return (void)b, (void)c, voc_of_bits(voc_bits(a) & 0x7fffffffu); }
float voc_same(float a, float b, float c) { return (void)b, (void)c, a; }

float voc_absolute_with_sign(float a, float b, float c)
{
    (void)c;
    return voc_of_bits((voc_bits(a) & 0x7fffffffu) | (voc_bits(b) & 0x80000000u));
}

bool voc_less(float a, float b) { return a < b; }
bool voc_greater(float a, float b) { return a > b; }
bool voc_not_less(float a, float b) { return !(a < b); }
bool voc_is_nan(float a, float b) { return (void)b, a != a; }
bool voc_negative(float a, float b) { return (void)b, voc_bits(a) >> 31 != 0; }

double voc_add_f64(double a, double b, double c) { return (void)c, a + b; }
double voc_mul_f64(double a, double b, double c) { return (void)c, a * b; }

double voc_add_product(double a, double b, double s)
{
    const double product = (double)(float)a * (double)(float)b; /* exact */
    return s + product;
}

/* Exact in double; one rounding. */
uint32_t voc_of_i32(uint32_t x)
{
    const double value = x < 0x80000000u ? (double)x : (double)x - 0x1p32;
    return voc_bits((float)value);
}

/* x rounded to a whole number, to nearest even, 0 <= x < 2^52. */
static double nearest_whole(double x)
{
    const double below = floor(x), rest = x - below;
    const bool odd = fmod(below, 2.0) != 0.0;
    return rest > 0.5 || (rest == 0.5 && odd) ? below + 1.0 : below;
}

uint32_t voc_round(float x, bool *inside)
{
    *inside = x >= -0x1p31f && x < 0x1p31f;
    if (!*inside) return 0;
    const double whole = nearest_whole(fabs((double)x));
    return (uint32_t)(int32_t)(x < 0.0f ? -whole : whole);
}

uint64_t voc_of_f16(uint64_t half)
{
    const uint32_t sign = half & 0x8000u ? 0x80000000u : 0, exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 31) return sign | (fraction ? 0x7fc00000u : 0x7f800000u);
    const double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024.0 + fraction, (int)exponent - 25);
    return sign | voc_bits((float)size);
}

/* In units of the half's last bit, 2^(e - 10) with e its exponent, -14 for subnormal numbers. */
uint64_t voc_to_f16(uint64_t bits)
{
    const uint64_t sign = bits >> 16 & 0x8000u;
    const double x = fabs((double)voc_of_bits((uint32_t)bits));
    int exponent;
    if (x != x) return sign | 0x7e00u;
    if (x >= 65520.0) return sign | 0x7c00u;
    frexp(x, &exponent);
    exponent = x == 0.0 || exponent - 1 < -14 ? -14 : exponent - 1;
    const uint64_t units = (uint64_t)nearest_whole(ldexp(x, 10 - exponent));
    return sign | (units < 1024 ? units : units - 1024 + ((uint64_t)(exponent + 15) << 10));
}

float voc_first16(const float *x) { return x[0]; }

float voc_sum16(const float *x)
{
    float eight[8], four[4];
    for (size_t i = 0; i < 8; i++) eight[i] = x[i] + x[i + 8];
    for (size_t i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
    const float even = four[0] + four[2], odd = four[1] + four[3];
    return even + odd;
}

float voc_top16(const float *x)
{
    float eight[8], four[4];
    for (size_t i = 0; i < 8; i++) eight[i] = voc_max(x[i], x[i + 8], 0.0f);
    for (size_t i = 0; i < 4; i++) four[i] = voc_max(eight[i], eight[i + 4], 0.0f);
    return voc_max(voc_max(four[0], four[2], 0.0f), voc_max(four[1], four[3], 0.0f), 0.0f);
}

double voc_sum8(const double *x)
{
    const double a = x[0] + x[4], b = x[1] + x[5], c = x[2] + x[6], d = x[3] + x[7];
    const double even = a + c, odd = b + d;
    return even + odd;
}
