/* x^y = e^(y log x), the logarithm and the product as pairs: y log x, at most 745, is known within 2^-60. */
#include <math.h>
#include <stdbool.h>

#include "engine/math/math.h"
#include "engine/math/parts.h"

/* 0: y is no integer, 1: odd, 2: even. */
static int integer_kind(double y)
{
    double size = fabs(y);
    if (size >= 0x1p53) return 2;
    if (size != floor(size)) return 0;
    return size / 2 == floor(size / 2) ? 2 : 1;
}

/* |x|^y of a finite |x| > 0 other than 1 and a finite y other than 0. */
static double power(double x, double y)
{
    eng_pair log = eng_math_log(x);
    bool grows = (log.head > 0) == (y > 0);
    if (fabs(y) > 0x1p64) return grows ? INFINITY : 0; /* |log x| >= 2^-53 */
    if (fabs(y) < 0x1p-64) return 1;                   /* |y log x| < 2^-54 */
    eng_pair e = eng_pair_multiply(log, (eng_pair){y, 0});
    if (fabs(e.head) > 750) return grows ? INFINITY : 0;
    return eng_math_round(eng_math_exp(e));
}

double eng_pow(double x, double y)
{
    if (y == 0 || x == 1) return 1;
    if (isnan(x) || isnan(y)) return isnan(x) ? x : y;
    double size = fabs(x);
    if (isinf(y)) return size == 1 ? 1 : (size > 1) == (y > 0) ? INFINITY : 0;
    int kind = integer_kind(y);
    if (x < 0 && !kind && isfinite(x)) return NAN;
    double result;
    if (size == 1)
        result = 1;
    else if (size == 0 || isinf(size))
        result = (size == 0) == (y < 0) ? INFINITY : 0;
    else
        result = power(size, y);
    return signbit(x) && kind == 1 ? -result : result;
}
