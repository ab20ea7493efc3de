/* x = n pi / 256 + r, |r| <= pi / 512: sine and cosine of the first from a table of a quarter of a turn, of r from
 * their series, and sin(a + r) = sin a + sin a (cos r - 1) + cos a sin r. What is not linear in r is below 2^-15, so
 * that a double holds it to 2^-68 of the result.
 *
 * The multiple of pi / 256 is taken off in parts whose products with n are exact (W. J. Cody, W. Waite, "Software
 * manual for the elementary functions", 1980) where x is small; else as many bits of 2 / pi as matter are multiplied by
 * x in integers (M. H. Payne, R. N. Hanek, "Radian reduction for trigonometric functions", SIGNUM 18(1), 1983). */
#include <math.h>

#include "engine/math/math.h"
#include "engine/math/pair.h"
#include "engine/math/tables.h"

enum { LIMBS = 8, TURN = 4 * ENG_SIN_STEPS };

/* x = steps pi / 256 + rest, whole turns left out. */
typedef struct angle {
    unsigned steps; /* 0 .. TURN - 1 */
    eng_pair rest;
} angle;

/* x in [0, 2^13): n has 20 bits, the step's parts 33. */
static angle reduce_small(double x)
{
    double n = eng_nearest(x * (1 / 0x1.921fb54442d18p-7));
    double near = x - n * eng_sin_step[0];
    eng_pair a = eng_pair_sum(near, -n * eng_sin_step[1]), b = eng_pair_sum(a.head, -n * eng_sin_step[2]);
    return (angle){(unsigned)n % TURN, eng_pair_sum(b.head, a.tail + b.tail - n * eng_sin_step[3])};
}

/* 32 bits of 2 / pi from the one at `at` behind the binary point on; -64 or more. */
static uint32_t two_over_pi(int at)
{
    int word = (at + 64) / 32 - 2, shift = (at + 64) % 32;
    uint32_t high = word < 0 ? 0 : eng_two_over_pi[word], low = word < -1 ? 0 : eng_two_over_pi[word + 1];
    return shift ? high << shift | low >> (32 - shift) : high;
}

/* limbs += factor times the LIMBS words of 2 / pi at `at`, shifted up by `up` words; what grows out is left out. */
static void add_product(uint32_t limbs[LIMBS], int at, uint32_t factor, int up)
{
    uint64_t carry = 0;
    for (int i = LIMBS - 1 - up; i >= 0; i--) {
        carry += (uint64_t)two_over_pi(at + 32 * (i + up)) * factor + limbs[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* x >= 2^13 */
static angle reduce_large(double x)
{
    uint64_t bits = eng_double_bits(x), m = (bits & ~(uint64_t)0 >> 12) | (uint64_t)1 << 52;
    int exponent = (int)(bits >> 52) - 1075, at = exponent - 2; /* x = m 2^exponent; earlier bits give whole turns */
    uint32_t limbs[LIMBS] = {0};
    add_product(limbs, at, (uint32_t)m, 0);
    add_product(limbs, at, (uint32_t)(m >> 32), 1);
    /* 9 bits of steps, then 247 of a fraction, which is to be rounded to the nearest. */
    unsigned steps = limbs[0] >> 23, up = limbs[0] >> 22 & 1;
    uint32_t flip = up ? UINT32_MAX : 0;
    eng_pair f = {0, 0};
    for (int i = LIMBS - 1; i >= 0; i--) {
        uint32_t limb = (limbs[i] ^ flip) & (i ? UINT32_MAX : UINT32_MAX >> 9);
        eng_pair sum = eng_pair_quick_sum(limb * eng_double_of_bits((uint64_t)(1000 - 32 * i) << 52), f.head);
        f = (eng_pair){sum.head, f.tail + sum.tail};
    }
    f = eng_pair_multiply(f, eng_sin_step_full);
    return (angle){(steps + up) % TURN, up ? (eng_pair){-f.head, -f.tail} : f};
}

/* Sine and cosine of an angle. The table's numbers are larger than what is added to them, or 0. */
static void both(angle a, double *sine, double *cosine)
{
    unsigned quarter = a.steps / ENG_SIN_STEPS, step = a.steps % ENG_SIN_STEPS;
    double r = a.rest.head, square = r * r;
    eng_pair s = eng_sin_table[step], c = eng_sin_table[ENG_SIN_STEPS - step];
    double sin_tail = a.rest.tail - r * square * (1.0 / 6 - square * (1.0 / 120 - square * (1.0 / 5040)));
    double cos_less_1 = -square * (0.5 - square * (1.0 / 24 - square * (1.0 / 720))) - r * a.rest.tail;
    double upper = eng_pair_upper(r), lower = r - upper; /* their products with heads of the table are exact */
    eng_pair sum = eng_pair_quick_sum(s.head, c.head * upper), difference = eng_pair_quick_sum(c.head, -s.head * upper);
    double whole_s = s.head + s.tail, whole_c = c.head + c.tail;
    double s_rest = s.tail + (c.head * lower + (whole_c * sin_tail + c.tail * r) + whole_s * cos_less_1);
    double c_rest = c.tail - (s.head * lower + (whole_s * sin_tail + s.tail * r) - whole_c * cos_less_1);
    double upright = sum.head + (sum.tail + s_rest), across = difference.head + (difference.tail + c_rest);
    /* A quarter of a turn makes sin, cos into cos, -sin. */
    *sine = quarter % 2 ? across : upright;
    *cosine = quarter % 2 ? upright : across;
    if (quarter >= 2) *sine = -*sine;
    if (quarter == 1 || quarter == 2) *cosine = -*cosine;
}

void eng_sin_cos(double x, double *sine, double *cosine)
{
    if (!isfinite(x)) {
        *sine = *cosine = isnan(x) ? x : NAN;
        return;
    }
    double size = fabs(x);
    both(size < 0x1p13 ? reduce_small(size) : reduce_large(size), sine, cosine);
    if (x < 0) *sine = -*sine;
    if (size < 0x1p-27) *sine = x; /* the rest, x^3 / 6, is below half a unit */
}

double eng_sin(double x)
{
    double sine, cosine;
    eng_sin_cos(x, &sine, &cosine);
    return sine;
}

double eng_cos(double x)
{
    double sine, cosine;
    eng_sin_cos(x, &sine, &cosine);
    return cosine;
}
