/* engine/math: against arbitrary precision (engine/math.txt), special values as C11's annex F has them, and the bits of
 * a million arguments a function, which every compiler and CPU must reproduce. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/math/math.h"
#include "engine/random.h"
#include "tests/support/support.h"

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? 0x7ff8000000000000 : bits; /* a NaN's sign and payload mean nothing */
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double sin_of_both(double x)
{
    double s, c;
    eng_sin_cos(x, &s, &c);
    return s;
}

static double cos_of_both(double x)
{
    double s, c;
    eng_sin_cos(x, &s, &c);
    return c;
}

/* Range: of half the arguments whose bits are compared; the others are any doubles. */
typedef struct function {
    const char *name;
    double (*of)(double);
    double low, high;
    uint64_t checksum;
} function;

static const function functions[] = {
    {"exp", eng_exp, -750, 712, 0x01a2588a5af00665},   {"exp2", eng_exp2, -1080, 1026, 0x7807b98ead97b93d},
    {"expm1", eng_expm1, -50, 50, 0x74753130649b22a4}, {"sinh", eng_sinh, -50, 50, 0x9155dbe7320ffbec},
    {"log", eng_log, 0, 2, 0xaf3f7f1b09d00820},        {"log2", eng_log2, 0, 2, 0xd3c3b5f40fd730e0},
    {"log10", eng_log10, 0, 2, 0x9aa85dd409c7d7b9},    {"sin", eng_sin, -20, 20, 0x491f76f83875e3a9},
    {"cos", eng_cos, -20, 20, 0x3eea1c327932a876},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* ---- Against arbitrary precision ---- */

/* Doubles from b to a, which may be infinite, on one side of 0. */
static double steps_between(uint64_t a, uint64_t b)
{
    return a >> 63 != b >> 63 ? 0x1p64 : a > b ? (double)(a - b) : -(double)(b - a);
}

/* One function's lines of math.txt, of `operands` operands: the worst error, in units in the last place, and how many
 * lines there were. A result that should overflow or be 0 has to be just that. */
static double worst_error(const char *name, double (*one)(double), double (*two)(double, double), size_t *lines)
{
    FILE *file = fopen(support_path("engine/math.txt"), "r");
    cr_assert_not_null(file, "engine/math.txt cannot be opened");
    char line[160], found[16];
    double worst = 0;
    *lines = 0;
    while (fgets(line, sizeof line, file)) {
        uint64_t x, y = 0, want;
        long millionths;
        int fields =
            two ? sscanf(line, "%15s %" SCNx64 " %" SCNx64 " %" SCNx64 " %ld", found, &x, &y, &want, &millionths)
                : sscanf(line, "%15s %" SCNx64 " %" SCNx64 " %ld", found, &x, &want, &millionths);
        if (strcmp(found, name) != 0) continue;
        cr_assert_eq(fields, two ? 5 : 4, "line %s", line);
        double got = two ? two(of_bits(x), of_bits(y)) : one(of_bits(x));
        /* Where the sign counts down, so does a step. */
        double steps = steps_between(bits_of(got), want);
        double error = fabs((want >> 63 ? -steps : steps) - (double)millionths * 1e-6);
        if (!(error <= worst)) worst = error;
        cr_assert(error <= 0.501, "%s(%a, %a) = %a, but %a is nearer: error %.6f", name, of_bits(x), of_bits(y), got,
                  of_bits(want), error);
        ++*lines;
    }
    fclose(file);
    return worst;
}

Test(math, errors_are_below_0_501_units_in_the_last_place)
{
    size_t lines;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        double worst = worst_error(functions[i].name, functions[i].of, NULL, &lines);
        cr_assert(lines > 1000 && worst > 0.4999, "%s: %zu lines, worst %.6f", functions[i].name, lines, worst);
    }
    worst_error("pow", NULL, eng_pow, &lines);
    cr_assert(lines > 1000, "pow: %zu lines", lines);
    worst_error("sin", sin_of_both, NULL, &lines);
    cr_assert(lines > 1000);
    worst_error("cos", cos_of_both, NULL, &lines);
    cr_assert(lines > 1000);
}

/* ---- Special values ---- */

typedef struct special {
    double (*of)(double);
    double x, want;
} special;

Test(math, special_values_are_annex_f)
{
    const special cases[] = {
        {eng_exp, 0.0, 1},
        {eng_exp, -0.0, 1},
        {eng_exp, -INFINITY, 0.0},
        {eng_exp, INFINITY, INFINITY},
        {eng_exp, NAN, NAN},
        {eng_exp, 1e300, INFINITY},
        {eng_exp, -1e300, 0.0},
        {eng_exp, 0x1p-1074, 1},
        {eng_exp2, 0.0, 1},
        {eng_exp2, -0.0, 1},
        {eng_exp2, -INFINITY, 0.0},
        {eng_exp2, INFINITY, INFINITY},
        {eng_exp2, NAN, NAN},
        {eng_exp2, 1024, INFINITY},
        {eng_exp2, -1074, 0x1p-1074},
        {eng_exp2, -1075, 0.0},
        {eng_exp2, -1e300, 0.0},
        {eng_exp2, 0x1p-1074, 1},
        {eng_expm1, 0.0, 0.0},
        {eng_expm1, -0.0, -0.0},
        {eng_expm1, -INFINITY, -1},
        {eng_expm1, INFINITY, INFINITY},
        {eng_expm1, NAN, NAN},
        {eng_expm1, 1e300, INFINITY},
        {eng_expm1, -1e300, -1},
        {eng_expm1, -0x1p-1074, -0x1p-1074},
        {eng_sinh, 0.0, 0.0},
        {eng_sinh, -0.0, -0.0},
        {eng_sinh, -INFINITY, -INFINITY},
        {eng_sinh, INFINITY, INFINITY},
        {eng_sinh, NAN, NAN},
        {eng_sinh, -1e300, -INFINITY},
        {eng_sinh, 0x1p-1074, 0x1p-1074},
        {eng_log, 0.0, -INFINITY},
        {eng_log, -0.0, -INFINITY},
        {eng_log, 1, 0.0},
        {eng_log, -1, NAN},
        {eng_log, -INFINITY, NAN},
        {eng_log, INFINITY, INFINITY},
        {eng_log, NAN, NAN},
        {eng_log2, 0.0, -INFINITY},
        {eng_log2, 1, 0.0},
        {eng_log2, -1, NAN},
        {eng_log2, INFINITY, INFINITY},
        {eng_log2, NAN, NAN},
        {eng_log2, 0x1p-1074, -1074},
        {eng_log10, -0.0, -INFINITY},
        {eng_log10, 1, 0.0},
        {eng_log10, -1e-310, NAN},
        {eng_log10, INFINITY, INFINITY},
        {eng_log10, NAN, NAN},
        {eng_log10, 1e22, 22},
        {eng_sin, 0.0, 0.0},
        {eng_sin, -0.0, -0.0},
        {eng_sin, INFINITY, NAN},
        {eng_sin, -INFINITY, NAN},
        {eng_sin, NAN, NAN},
        {eng_sin, -0x1p-1074, -0x1p-1074},
        {eng_cos, 0.0, 1},
        {eng_cos, -0.0, 1},
        {eng_cos, INFINITY, NAN},
        {eng_cos, -INFINITY, NAN},
        {eng_cos, NAN, NAN},
        {sin_of_both, -0.0, -0.0},
        {sin_of_both, INFINITY, NAN},
        {cos_of_both, INFINITY, NAN},
        {cos_of_both, 0.0, 1},
        {cos_of_both, NAN, NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = cases[i].of(cases[i].x);
        cr_assert_eq(bits_of(got), bits_of(cases[i].want), "case %zu: of %a: %a, not %a", i, cases[i].x, got,
                     cases[i].want);
    }
}

Test(math, special_powers_are_annex_f)
{
    const double cases[][3] = {
        {0.0, -3, INFINITY},
        {-0.0, -3, -INFINITY},
        {0.0, -2, INFINITY},
        {-0.0, -2, INFINITY},
        {-0.0, -2.5, INFINITY},
        {0.0, -INFINITY, INFINITY},
        {-0.0, -INFINITY, INFINITY},
        {0.0, 3, 0.0},
        {-0.0, 3, -0.0},
        {0.0, 2, 0.0},
        {-0.0, 2, 0.0},
        {-0.0, 2.5, 0.0},
        {-1, INFINITY, 1},
        {-1, -INFINITY, 1},
        {1, NAN, 1},
        {1, INFINITY, 1},
        {NAN, 0.0, 1},
        {NAN, -0.0, 1},
        {INFINITY, 0.0, 1},
        {0.0, 0.0, 1},
        {-2, 0.5, NAN},
        {-2, -1e-300, NAN},
        {0.5, -INFINITY, INFINITY},
        {2, -INFINITY, 0.0},
        {-0.5, INFINITY, 0.0},
        {-2, INFINITY, INFINITY},
        {-INFINITY, -3, -0.0},
        {-INFINITY, -2, 0.0},
        {-INFINITY, -2.5, 0.0},
        {-INFINITY, 3, -INFINITY},
        {-INFINITY, 2, INFINITY},
        {-INFINITY, 0.5, INFINITY},
        {INFINITY, -1, 0.0},
        {INFINITY, 0.5, INFINITY},
        {NAN, 1, NAN},
        {2, NAN, NAN},
        {-1, 0x1p53, 1},
        {-1, 0x1.fffffffffffffp52, -1},
        {-1, 0.5, NAN},
        {-2, 1e300, INFINITY},
        {-2, -1e300, 0.0},
        {0.5, 1e300, 0.0},
        {0.5, -1e300, INFINITY},
        {2, 1e-300, 1},
        {-1e300, 3, -INFINITY},
        {-1e-300, 3, -0.0},
        {0x1p-1074, 1, 0x1p-1074},
        {3, 0x1p-1074, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = eng_pow(cases[i][0], cases[i][1]);
        cr_assert_eq(bits_of(got), bits_of(cases[i][2]), "pow(%a, %a) = %a, not %a", cases[i][0], cases[i][1], got,
                     cases[i][2]);
    }
}

/* ---- The same bits everywhere ---- */

enum { ARGUMENTS = 1000000 };

/* Argument i: any double for odd i, else one between low and high. The same bits everywhere. */
static double argument(uint32_t i, uint32_t purpose, double low, double high)
{
    const uint32_t key[2] = {20260101, 0}, counter[4] = {i, purpose, 0, 0};
    uint32_t word[4];
    eng_philox(key, counter, word);
    uint64_t bits = (uint64_t)word[0] << 32 | word[1];
    return i % 2 ? of_bits(bits) : low + (high - low) * ((double)(bits >> 11) * 0x1p-53);
}

static uint64_t mix(uint64_t sum, double x)
{
    sum = (sum ^ bits_of(x)) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 32;
}

/* The sums are what this code gave when it was written: that it was right then is the tables' affair. */
Test(math, every_build_gives_the_same_bits)
{
    for (uint32_t f = 0; f < FUNCTIONS; f++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < ARGUMENTS; i++)
            sum = mix(sum, functions[f].of(argument(i, f, functions[f].low, functions[f].high)));
        cr_assert_eq(sum, functions[f].checksum, "%s: 0x%016" PRIx64, functions[f].name, sum);
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ARGUMENTS; i++) {
        double x = argument(i, 100, 0, 4), y = argument(i, 101, -50, 50);
        sum = mix(sum, i % 2 ? eng_pow(x, argument(i - 1, 101, -50, 50)) : eng_pow(x, y));
    }
    cr_assert_eq(sum, 0x4370e72d80d7037c, "pow: 0x%016" PRIx64, sum);
}

/* The pair has the bits of the two. */
Test(math, sine_and_cosine_at_once)
{
    size_t numbers = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        double x = argument(i, 200, -20, 20);
        cr_assert_eq(bits_of(sin_of_both(x)), bits_of(eng_sin(x)), "%a", x);
        cr_assert_eq(bits_of(cos_of_both(x)), bits_of(eng_cos(x)), "%a", x);
        numbers += !isnan(eng_sin(x));
    }
    cr_assert_gt(numbers, 19000);
}
