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

/* The sine of an angle, and of a quarter of a turn more the cosine. */
static double sine(angle a)
{
    unsigned quarter = a.steps / ENG_SIN_STEPS % 4, step = a.steps % ENG_SIN_STEPS;
    double r = a.rest.head, square = r * r;
    eng_pair s = eng_sin_table[step], c = eng_sin_table[ENG_SIN_STEPS - step];
    double sin_tail = a.rest.tail - r * square * (1.0 / 6 - square * (1.0 / 120 - square * (1.0 / 5040)));
    double cos_less_1 = -square * (0.5 - square * (1.0 / 24 - square * (1.0 / 720))) - r * a.rest.tail;
    if (quarter % 2) { /* sin(pi/2 + x) = cos x: the derivative of what the table's sine would give */
        eng_pair old = s;
        s = c;
        c = (eng_pair){-old.head, -old.tail};
    }
    eng_pair p = eng_pair_product(c.head, r), sum = eng_pair_sum(s.head, p.head);
    double tail = sum.tail + (s.tail + (p.tail + (c.head * sin_tail + c.tail * r) + s.head * cos_less_1));
    return quarter < 2 ? sum.head + tail : -(sum.head + tail);
}

/* |x|'s angle; x is finite. */
static angle reduce(double x)
{
    double size = fabs(x);
    return size < 0x1p13 ? reduce_small(size) : reduce_large(size);
}

static double sine_of(double x, angle a)
{
    if (fabs(x) < 0x1p-27) return x; /* the rest, x^3 / 6, is below half a unit */
    return x < 0 ? -sine(a) : sine(a);
}

static double cosine_of(angle a)
{
    return sine((angle){(a.steps + ENG_SIN_STEPS) % TURN, a.rest});
}

double eng_sin(double x)
{
    if (!isfinite(x)) return isnan(x) ? x : NAN;
    return sine_of(x, reduce(x));
}

double eng_cos(double x)
{
    if (!isfinite(x)) return isnan(x) ? x : NAN;
    return cosine_of(reduce(x));
}

void eng_sin_cos(double x, double *sine_out, double *cosine_out)
{
    if (!isfinite(x)) {
        *sine_out = *cosine_out = isnan(x) ? x : NAN;
        return;
    }
    angle a = reduce(x);
    *sine_out = sine_of(x, a);
    *cosine_out = cosine_of(a);
}
