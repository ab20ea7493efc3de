/* Gradient checks: four-point differences in double of a scalar loss, and a comparison that proves that it can fail.
 * A loss weights its outputs at random: the plain sum of a softmax or a layer norm is a constant. */
#ifndef TESTS_SUPPORT_GRAD_CHECK_H
#define TESTS_SUPPORT_GRAD_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRAD_MOST = 128 }; /* elements of one comparison */

typedef double (*grad_loss)(const void *problem);

/* x[n] uniform in [-reach, reach) as floats, and exactly the same values as doubles; the same for the same *state. */
void grad_fill(uint64_t *state, size_t n, double reach, float *x, double *exact);

/* want[i] = d loss / d p[i], where p[n] is a part of the problem: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h with
 * h = 1e-3, off by h^4 / 30 times the fifth derivative, some 1e-13, and as much by rounding. p is left as it was. */
void grad_differences(grad_loss loss, const void *problem, size_t n, double *p, double *want);

/* |got - want| <= 2e-6 of the largest |want|: some 30 roundings of float operands of size 1. NaN, nothing (n = 0) and
 * a want of nothing but zeros never agree. report[size] (NULL with size 0) receives a line of compare.h's. */
bool grad_agrees(size_t n, const double *got, const double *want, char *report, size_t size);

/* Fails the running test unless got and want agree, and unless they cease to when any one gradient that counts (is
 * above a thousandth of the largest) is 1 % too large; a third of them must count. n <= GRAD_MOST. */
void grad_check(const char *what, size_t n, const double *got, const double *want);

/* As grad_check for gradients that a kernel added to start[n], or to the same start n times. */
void grad_check_added(const char *what, size_t n, const float *dx, const float *start, const double *want);
void grad_check_added_f64(const char *what, size_t n, const double *dx, double start, const double *want);

#endif
