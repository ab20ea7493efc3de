/* vocabulary: holds the vocabulary (kernels/vector/) of every tier that this build has and this CPU runs to its
 * contract.
 *
 * One line a tier, and one a failure: function, lane, inputs, got, want (bits, in hexadecimal). The last line counts: a
 * function in a tier is one. --self-test breaks the vocabulary on purpose and requires that each breakage is noticed.
 * Exit code: 0 all passed, 1 a failure, 2 usage, 77 the tier asked for is absent (meson counts it as skipped). */
#include "kernels/kernels.h"
#include "tests/kernels/vocabulary/vocabulary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* vocabulary_test, as each tier's copy is called, and the broken one. */
void vocabulary_test_portable(voc_run *r);
void vocabulary_test_neon(voc_run *r);
void vocabulary_test_avx2(voc_run *r);
void vocabulary_test_avx512(voc_run *r);
void vocabulary_test_broken(voc_run *r);

static const struct copy {
    const char *tier;
    void (*test)(voc_run *r);
} copies[] = {
    {"portable", vocabulary_test_portable},
#ifdef KERN_HAVE_NEON
    {"neon", vocabulary_test_neon},
#endif
#ifdef KERN_HAVE_AVX2
    {"avx2", vocabulary_test_avx2},
#endif
#ifdef KERN_HAVE_AVX512
    {"avx512", vocabulary_test_avx512},
#endif
};
enum { COPIES = sizeof copies / sizeof *copies };

typedef struct counts {
    size_t passed, failed;
} counts;

static bool cpu_runs(const char *tier)
{
    kern_tier found;
    return kern_tier_find(tier, &found) && (kern_cpu_probe().tiers & 1u << found);
}

/* Runs a copy on the memory of r, and adds to total. */
static void run_copy(voc_run *r, const struct copy *copy, counts *total)
{
    r->tier = copy->tier;
    r->passed = r->failed = 0;
    copy->test(r);
    printf("%s %-9s %zu functions, %zu failed\n", r->failed == 0 ? "ok  " : "FAIL", copy->tier, r->passed + r->failed,
           r->failed);
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

typedef struct options {
    const char *tier, *function;
    uint64_t seed;
    bool self_test;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.seed = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end = NULL;
        if (strcmp(argv[i], "--self-test") == 0) {
            o->self_test = true;
            continue;
        }
        if (value == NULL) return false;
        if (strcmp(argv[i], "--tier") == 0)
            o->tier = value;
        else if (strcmp(argv[i], "--function") == 0)
            o->function = value;
        else if (strcmp(argv[i], "--seed") == 0) {
            errno = 0;
            o->seed = strtoull(value, &end, 0);
            if (end == value || *end != '\0' || errno != 0) return false;
        } else
            return false;
        i++;
    }
    return !o->self_test || (o->tier == NULL && o->function == NULL);
}

int main(int argc, char **argv)
{
    options o;
    kern_tier only;
    if (!parse(argc, argv, &o) || (o.tier != NULL && !kern_tier_find(o.tier, &only))) {
        fprintf(stderr,
                "usage: vocabulary [--tier portable|neon|avx2|avx512] [--function NAME] [--seed N] | --self-test\n");
        return 2;
    }
    voc_run r = {.rng = o.seed, .only = o.function};
    if (!voc_start(&r)) {
        fprintf(stderr, "vocabulary: cannot map memory or catch signals\n");
        return 1;
    }
    printf("seed %llu\n", (unsigned long long)o.seed);
    counts total = {0};
    size_t ran = 0;
    if (o.self_test) self_test(&r, o.seed, &total);
    for (size_t i = 0; i < COPIES && !o.self_test; i++) {
        if (o.tier != NULL && strcmp(o.tier, copies[i].tier) != 0) continue;
        if (!cpu_runs(copies[i].tier)) {
            printf("skipped: tier %s: this CPU does not run it\n", copies[i].tier);
            continue;
        }
        run_copy(&r, &copies[i], &total);
        ran++;
    }
    if (o.tier != NULL && ran == 0) {
        printf("skipped: tier %s is not in this build or not run by this CPU\n", o.tier);
        return 77;
    }
    printf("%zu passed, %zu failed\n", total.passed, total.failed);
    return total.failed == 0 && total.passed > 0 ? 0 : 1;
}
