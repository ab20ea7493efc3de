/* vocabulary: holds the vocabulary (kernels/vector/) of every tier that this build has and this CPU runs to its
 * contract.
 *
 * One line a tier, and one a failure: function, lane, inputs, got, want (bits, in hexadecimal). The last line counts: a
 * function in a tier is one. --self-test breaks the vocabulary on purpose and requires that each breakage is noticed.
 * Exit code: 0 all passed, 1 a failure, 2 usage, 77 the tier asked for is absent (meson counts it as skipped). */
#include "tests/kernels/asked.h"
#include "tests/kernels/vocabulary/vocabulary.h"

#include <stdio.h>

/* vocabulary_test, as each tier's copy is called, and the broken one. */
void vocabulary_test_portable(voc_run *r);
void vocabulary_test_neon(voc_run *r);
void vocabulary_test_avx2(voc_run *r);
void vocabulary_test_avx512(voc_run *r);
void vocabulary_test_broken(voc_run *r);

static void (*const copies[KERN_TIER_COUNT])(voc_run *r) = {
    [KERN_TIER_PORTABLE] = vocabulary_test_portable,
#ifdef KERN_HAVE_NEON
    [KERN_TIER_NEON] = vocabulary_test_neon,
#endif
#ifdef KERN_HAVE_AVX2
    [KERN_TIER_AVX2] = vocabulary_test_avx2,
#endif
#ifdef KERN_HAVE_AVX512
    [KERN_TIER_AVX512] = vocabulary_test_avx512,
#endif
};

typedef struct counts {
    size_t passed, failed;
} counts;

/* Runs a tier's copy on the memory of r, and adds to total. */
static void run_copy(voc_run *r, kern_tier tier, counts *total)
{
    r->tier = kern_tier_name(tier);
    r->passed = r->failed = 0;
    copies[tier](r);
    printf("%s %-9s %zu functions, %zu failed\n", r->failed == 0 ? "ok  " : "FAIL", r->tier, r->passed + r->failed, r->failed);
    total->passed += r->passed;
    total->failed += r->failed;
    fflush(stdout);
}

/* Whether the function, or where it is NULL every one, fails in the broken copy. */
static bool fails(voc_run *r, const char *function, size_t breakage, bool flip)
{
    r->only = function;
    r->breakage = breakage;
    r->flip = flip;
    r->passed = r->failed = 0;
    vocabulary_test_broken(r);
    return r->failed > 0 && r->passed == 0;
}

/* Every function's test must fail where one bit of a result is wrong, and each breakage be noticed by the test of its
 * function, which passes without it. */
static void self_test(voc_run *r, uint64_t seed, counts *total)
{
    size_t count;
    const voc_breakage *breakages = vocabulary_breakages(&count);
    r->tier = "broken";
    r->quiet = true;
    const bool all = fails(r, NULL, 0, true);
    printf("%s %zu functions of which one result has a bit flipped: %zu pass\n", all ? "ok  " : "FAIL",
           r->passed + r->failed, r->passed);
    total->passed += all;
    total->failed += !all;
    for (size_t i = 1; i < count; i++) {
        r->rng = seed;
        const bool right = !fails(r, breakages[i].function, 0, false) && r->passed == 1;
        r->rng = seed;
        const bool noticed = right && fails(r, breakages[i].function, i, false);
        printf("%s %s that %s: %s\n", noticed ? "ok  " : "FAIL", breakages[i].function, breakages[i].what,
               noticed ? "noticed"
               : right ? "not noticed"
                       : "fails or is missing unbroken");
        total->passed += noticed;
        total->failed += !noticed;
    }
}

int main(int argc, char **argv)
{
    asked a;
    if (!asked_parse(argc, argv, "--function", &a)) return ASKED_WRONGLY;
    voc_run r = {.rng = a.seed, .only = a.only};
    if (!voc_start(&r)) {
        fprintf(stderr, "vocabulary: cannot map memory or catch signals\n");
        return 1;
    }
    printf("seed %llu\n", (unsigned long long)a.seed);
    counts total = {0};
    size_t ran = 0;
    if (a.self_test) self_test(&r, a.seed, &total);
    for (unsigned i = 0; i < KERN_TIER_COUNT && !a.self_test; i++) {
        if (!asked_tier_runs(&a, (kern_tier)i)) continue;
        run_copy(&r, (kern_tier)i, &total);
        ran++;
    }
    if (a.one_tier && ran == 0) return ASKED_FOR_ABSENT;
    printf("%zu passed, %zu failed\n", total.passed, total.failed);
    return total.failed == 0 && total.passed > 0 ? 0 : 1;
}
