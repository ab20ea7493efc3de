/* x = 2^e m, m from 0.707 to 1.414: log x = e log 2 - log c + log(1 + r), where c is 1 / m to 8 bits, from a table, and
 * r = m c - 1 exact. What is behind r^2 / 2 of the series is below 2^-26, so that a double holds it to 2^-70 of the
 * result; near 1, where all is small, c is 1 and r is x - 1. (P. T. P. Tang, "Table-driven implementation of the
 * logarithm function in IEEE floating-point arithmetic", ACM Trans. Math. Softw. 16(4), 1990.) */
#include <math.h>
#include <stdbool.h>

#include "engine/math/math.h"
#include "engine/math/parts.h"
#include "engine/math/tables.h"

/* x = 2^exponent times what is returned, 0.707 to 1.414. */
static double reduce(double x, int *exponent)
{
    *exponent = x < 0x1p-1022 ? -54 : 0;
    uint64_t bits = eng_double_bits(x < 0x1p-1022 ? x * 0x1p54 : x);
    *exponent += (int)(bits >> 52) - 1023;
    double m = eng_double_of_bits((bits & ~(uint64_t)0 >> 12) | (uint64_t)1023 << 52);
    if (m < 0x1.6ap0) return m;
    *exponent += 1;
    return m / 2;
}

eng_pair eng_math_log(double x)
{
    int exponent;
    double m = reduce(x, &exponent), upper = eng_pair_upper(m), e = exponent;
    const eng_log_entry *t = &eng_log_table[(int)(m * ENG_LOG_STEPS + 0.5) - ENG_LOG_FIRST];
    eng_pair r = eng_pair_sum(upper * t->reciprocal - 1, (m - upper) * t->reciprocal); /* exact: 26 and 24 bits */
    double y = r.head;
    double y1 = eng_pair_upper(y), square = y1 * y1, rest = (y - y1) * (y + y1); /* y^2 is their sum; y1 y1 is exact */
    double more = y * (1.0 / 5 - y * (1.0 / 6 - y * (1.0 / 7 - y * (1.0 / 8 - y * (1.0 / 9)))));
    double cube = y * y * y * (1.0 / 3 - y * (1.0 / 4 - more));         /* y^3/3 - y^4/4 + y^5/5 - ... */
    eng_pair a = eng_pair_quick_sum(e * eng_ln2.head + t->log.head, y); /* multiples of 2^-42: exact */
    eng_pair b = eng_pair_quick_sum(a.head, -square / 2);
    double small = e * eng_ln2.tail + t->log.tail + (r.tail - y * r.tail - rest / 2);
    return eng_pair_quick_sum(b.head, a.tail + b.tail + (small + cube));
}

static bool special(double x)
{
    return !(x > 0 && x < INFINITY);
}

/* The logarithm, to any base, of what has none, of 0 and of infinity. */
static double special_logarithm(double x)
{
    if (x == 0) return -INFINITY;
    return x < 0 ? NAN : x;
}

double eng_log(double x)
{
    if (special(x)) return special_logarithm(x);
    eng_pair y = eng_math_log(x);
    return y.head + y.tail;
}

/* log x times a constant */
static double logarithm(double x, eng_pair factor)
{
    if (special(x)) return special_logarithm(x);
    eng_pair y = eng_pair_multiply(eng_math_log(x), factor);
    return y.head + y.tail;
}

double eng_log2(double x)
{
    return logarithm(x, eng_one_over_ln2);
}

double eng_log10(double x)
{
    return logarithm(x, eng_one_over_ln10);
}
