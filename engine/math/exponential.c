/* e^x = 2^(n / 128) e^r, n = round(128 x / ln 2), |r| <= ln 2 / 256: the power from a table, e^r - 1 from its series.
 * What is not linear in r is below 2^-17, so that a double holds it to 2^-70 of the result. (P. T. P. Tang,
 * "Table-driven implementation of the exponential function in IEEE floating-point arithmetic", ACM Trans. Math. Softw.
 * 15(2), 1989.) */
#include <math.h>

#include "engine/math/math.h"
#include "engine/math/parts.h"
#include "engine/math/tables.h"

/* n steps of ln 2 / 128, and what is left of x. */
static eng_pair reduce(eng_pair x, double *n)
{
    *n = eng_nearest(x.head * (ENG_EXP_STEPS * 0x1.71547652b82fep0)); /* 1 / ln 2 */
    double rest = x.head - *n * eng_exp_step[0];                      /* exact: n has 18 bits, the step 35 */
    eng_pair r = eng_pair_sum(rest, -*n * eng_exp_step[1]);
    return eng_pair_sum(r.head, r.tail + (x.tail - *n * eng_exp_step[2]));
}

/* e^r - 1, |r| < 0.0028, within 2^-61 of it. */
static eng_pair exp_less_1(eng_pair r)
{
    double x = r.head, more = x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720 + x * (1.0 / 5040))));
    return eng_pair_quick_sum(x, r.tail + x * x * (0.5 + x * (1.0 / 6 + more)));
}

/* 2^(n / 128) (1 + m) */
static eng_scaled assemble(double n, eng_pair m)
{
    int steps = (int)n, i = (steps % ENG_EXP_STEPS + ENG_EXP_STEPS) % ENG_EXP_STEPS;
    eng_pair t = eng_exp_table[i];
    double upper = eng_pair_upper(m.head), lower = m.head - upper; /* their products with t.head are exact */
    eng_pair sum = eng_pair_quick_sum(t.head, t.head * upper);
    double tail = sum.tail + (t.tail + (t.head * lower + (t.head * m.tail + t.tail * m.head)));
    return (eng_scaled){eng_pair_quick_sum(sum.head, tail), (steps - i) / ENG_EXP_STEPS};
}

eng_scaled eng_math_exp(eng_pair x)
{
    double n;
    eng_pair r = reduce(x, &n);
    return assemble(n, exp_less_1(r));
}

/* 2^exponent, -1022 to 1023 */
static double power_of_2(int exponent)
{
    return eng_double_of_bits((uint64_t)(exponent + 1023) << 52);
}

double eng_math_round(eng_scaled s)
{
    if (s.exponent > 1024) return INFINITY;
    if (s.exponent < -1076) return 0;
    if (s.exponent > -1022 || (s.exponent == -1022 && s.value.head >= 1)) {
        int half = s.exponent / 2;
        return (s.value.head + s.value.tail) * power_of_2(half) * power_of_2(s.exponent - half);
    }
    /* Added to 2^52 units of what the smallest subnormal number is before scaling, the sum is rounded to units. */
    double unit = power_of_2(-1074 - s.exponent), large = 0x1p52 * unit;
    eng_pair sum = eng_pair_quick_sum(large, s.value.head);
    return (sum.head + (sum.tail + s.value.tail) - large) / unit * 0x1p-1074;
}

double eng_exp(double x)
{
    if (isnan(x)) return x;
    if (x > 710) return INFINITY;
    if (x < -746) return 0;
    return eng_math_round(eng_math_exp((eng_pair){x, 0}));
}

double eng_exp2(double x)
{
    if (isnan(x)) return x;
    if (x >= 1024) return INFINITY;
    if (x < -1076) return 0;
    double n = eng_nearest(x * ENG_EXP_STEPS), rest = x - n / ENG_EXP_STEPS; /* exact */
    eng_pair r = eng_pair_multiply((eng_pair){rest, 0}, eng_ln2_full);
    return eng_math_round(assemble(n, exp_less_1(r)));
}

/* e^x - 1, |x| <= 45, within 2^-60 of it. */
static eng_pair expm1_pair(double x)
{
    double n;
    eng_pair r = reduce((eng_pair){x, 0}, &n), m = exp_less_1(r);
    if (n == 0) return m;
    eng_scaled s = assemble(n, m);
    double scale = power_of_2(s.exponent);
    eng_pair less = eng_pair_sum(s.value.head * scale, -1);
    return eng_pair_sum(less.head, less.tail + s.value.tail * scale);
}

double eng_expm1(double x)
{
    if (isnan(x) || (x < 0x1p-54 && x > -0x1p-54)) return x; /* the rest, x^2 / 2, is below half a unit */
    if (x > 710) return INFINITY;
    if (x < -45) return -1;
    if (x > 45) return eng_math_round(eng_math_exp((eng_pair){x, 0})); /* 1 is below 2^-11 units */
    eng_pair e = expm1_pair(x);
    return e.head + e.tail;
}

double eng_sinh(double x)
{
    if (isnan(x) || (x < 0x1p-27 && x > -0x1p-27)) return x; /* the rest, x^3 / 6, is below half a unit */
    double size = x < 0 ? -x : x, result;
    if (size > 711) {
        result = INFINITY;
    } else if (size > 45) {
        eng_scaled s = eng_math_exp((eng_pair){size, 0});
        result = eng_math_round((eng_scaled){s.value, s.exponent - 1});
    } else {
        eng_pair plus = expm1_pair(size), minus = expm1_pair(-size);
        eng_pair sum = eng_pair_quick_sum(plus.head, -minus.head); /* of what has one sign: nothing cancels */
        result = (sum.head + (sum.tail + (plus.tail - minus.tail))) / 2;
    }
    return x < 0 ? -result : result;
}
