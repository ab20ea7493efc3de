/* Elementary functions in double whose bits are the same wherever doubles are IEEE 754's: results reach losses, weights
 * and scores, and libm's differ from one version and CPU to the next.
 *
 * Only +, -, *, / and comparisons of doubles, and integers, in a fixed order (the project is built with
 * -ffp-contract=off), in rounding to nearest. Intermediate results are pairs head + tail of some 106 bits (pair.h),
 * rounded once at the end: errors are below 0.501 units in the last place, those of subnormal results too
 * (tests/engine/math.c: against arbitrary precision). Powers of two and of ten come out exactly where they are
 * representable.
 *
 * Special values are those of C11, annex F.10: NaN gives NaN but for pow(1, y) and pow(x, 0), limits are infinities and
 * signed zeros. Neither errno nor the exception flags mean anything. */
#ifndef ENGINE_MATH_MATH_H
#define ENGINE_MATH_MATH_H

/* e^x, 2^x, e^x - 1 without loss of digits near 0, (e^x - e^-x) / 2. */
double eng_exp(double x);
double eng_exp2(double x);
double eng_expm1(double x);
double eng_sinh(double x);

/* Logarithms to the bases e, 2 and 10: -infinity of 0, NaN of what is negative. */
double eng_log(double x);
double eng_log2(double x);
double eng_log10(double x);

/* x^y. NaN where x is finite and negative and y finite and no integer. */
double eng_pow(double x, double y);

/* Sine and cosine of any x in radians; NaN of infinities. */
double eng_sin(double x);
double eng_cos(double x);

/* Both at once: *sine and *cosine get the bits of eng_sin(x) and eng_cos(x). */
void eng_sin_cos(double x, double *sine, double *cosine);

#endif
