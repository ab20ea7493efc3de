/* What the programs that go over tiers, conformance and vocabulary, are asked for on the command line. */
#ifndef TESTS_KERNELS_ASKED_H
#define TESTS_KERNELS_ASKED_H

#include "kernels/kernels.h"

/* [--tier TIER] [--kernel NAME] [--seed N], or --self-test [--seed N]; what --kernel is called, the program says. */
typedef struct asked {
    bool one_tier;
    kern_tier tier;
    const char *only; /* NULL: all */
    uint64_t seed;    /* 1 unless given */
    bool self_test;
} asked;

/* one: "--kernel". False when the command line is wrong, which usage on stderr says. */
bool asked_parse(int argc, char **argv, const char *one, asked *a);

/* For main to return when the command line is wrong, and when the tier asked for is absent (meson counts it as skipped). */
enum { ASKED_WRONGLY = 2, ASKED_FOR_ABSENT = 77 };

/* Whether a tier is asked for and runs here; where it is but does not, prints that it is skipped, and why. */
bool asked_tier_runs(const asked *a, kern_tier tier);

#endif
