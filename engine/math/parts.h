/* What the functions of math.h have in common, before their last rounding. */
#ifndef ENGINE_MATH_PARTS_H
#define ENGINE_MATH_PARTS_H

#include "engine/math/pair.h"

/* value 2^exponent, value in (0.99, 2) */
typedef struct eng_scaled {
    eng_pair value;
    int exponent;
} eng_scaled;

/* e^(x.head + x.tail), |x.head| < 1100, within 2^-67 of it */
eng_scaled eng_math_exp(eng_pair x);

/* The double nearest to a scaled number: infinity above the largest, a subnormal below the smallest normal number, 0
 * below half of the smallest. */
double eng_math_round(eng_scaled s);

/* log x of a finite x > 0, within 2^-70 of it; 0 of 1 alone */
eng_pair eng_math_log(double x);

#endif
