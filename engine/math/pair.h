/* A number as the sum of two doubles: head is what the sum rounds to, tail what is left. The exact sums and products of
 * doubles as such pairs (T. J. Dekker, "A floating-point technique for extending the available precision", Numer.
 * Math. 18, 1971, 224-242; D. E. Knuth, The Art of Computer Programming 2, 4.2.2), in rounding to nearest and without
 * over- or underflow. No fused multiply-add: CPUs that lack it would need hundreds of instructions for one. */
#ifndef ENGINE_MATH_PAIR_H
#define ENGINE_MATH_PAIR_H

#include <float.h>
#include <stdint.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be rounded to double after every operation");
_Static_assert(DBL_MANT_DIG == 53 && DBL_MAX_EXP == 1024, "double must be IEEE 754's binary64");

typedef struct eng_pair {
    double head, tail;
} eng_pair;

/* a + b */
static inline eng_pair eng_pair_sum(double a, double b)
{
    double head = a + b, part = head - a;
    return (eng_pair){head, (a - (head - part)) + (b - part)};
}

/* a + b where |a| >= |b| or a = 0 */
static inline eng_pair eng_pair_quick_sum(double a, double b)
{
    double head = a + b;
    return (eng_pair){head, b - (head - a)};
}

/* The upper 26 bits of a, |a| < 2^996; what is left has 26 bits and a sign. */
static inline double eng_pair_upper(double a)
{
    double scaled = a * 0x1.000002p27; /* 2^27 + 1 */
    return scaled - (scaled - a);
}

/* a b */
static inline eng_pair eng_pair_product(double a, double b)
{
    double head = a * b, a1 = eng_pair_upper(a), b1 = eng_pair_upper(b), a2 = a - a1, b2 = b - b1;
    return (eng_pair){head, ((a1 * b1 - head) + a1 * b2 + a2 * b1) + a2 * b2};
}

/* a b within 2^-103 of it */
static inline eng_pair eng_pair_multiply(eng_pair a, eng_pair b)
{
    eng_pair p = eng_pair_product(a.head, b.head);
    return eng_pair_quick_sum(p.head, p.tail + (a.head * b.tail + a.tail * b.head));
}

/* The nearest integer of |x| < 2^51, even where two are. */
static inline double eng_nearest(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

static inline uint64_t eng_double_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double eng_double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
