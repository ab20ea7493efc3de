/* Comparators that all tests share. Each compares got[n] with want[n] and returns true when every element agrees.
 *
 * - Comparing nothing (n = 0) or within a tolerance that is not a finite number >= 0 is refused: false.
 * - NaN agrees with nothing, not even with NaN; only cmp_bits takes any NaN for any other.
 * - An infinity agrees with the same infinity alone.
 * - report[size] (NULL with size 0: none wanted) receives one line: "n compared, worst error at [i]" with both values
 *   when all agree, else the first and the worst disagreement and how many there are. */
#ifndef TESTS_SUPPORT_COMPARE_H
#define TESTS_SUPPORT_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* |got - want| <= tol */
bool cmp_abs(const float *got, const float *want, size_t n, double tol, char *report, size_t size);

/* |got - want| <= tol + rel * |want| */
bool cmp_abs_rel(const float *got, const float *want, size_t n, double tol, double rel, char *report, size_t size);

/* |got[i] - want[i]| <= bound[i]; for bounds derived element by element. */
bool cmp_bound(const float *got, const float *want, const double *bound, size_t n, char *report, size_t size);

/* As cmp_abs_rel in double. */
bool cmp_abs_rel_f64(const double *got, const double *want, size_t n, double tol, double rel, char *report,
                     size_t size);

/* At most ulps steps between neighbouring floats apart; +0 and -0 are the same float here. */
bool cmp_ulp(const float *got, const float *want, size_t n, uint32_t ulps, char *report, size_t size);

/* The same bits, -0 unlike +0; any NaN agrees with any NaN. */
bool cmp_bits(const float *got, const float *want, size_t n, char *report, size_t size);

/* sqrt(sum (got - want)^2 / sum want^2) <= rel, for whole tensors whose elements differ in scale. All of got and
 * want must be finite and want not all zero. */
bool cmp_rms(const float *got, const float *want, size_t n, double rel, char *report, size_t size);

/* Floats between a and b: 0 for equal values (and for +0, -0), 1 for neighbours. UINT32_MAX when either is NaN or
 * when just one is infinite. */
uint32_t cmp_ulp_distance(float a, float b);

#endif
