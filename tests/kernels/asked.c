#include "tests/kernels/asked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool seed_of(const char *text, uint64_t *seed)
{
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return end != text && *end == '\0' && errno == 0;
}

/* One option with its value. */
static bool take(const char *name, const char *value, const char *one, asked *a)
{
    if (value == NULL) return false;
    if (strcmp(name, "--seed") == 0) return seed_of(value, &a->seed);
    if (strcmp(name, one) == 0) {
        a->only = value;
        return true;
    }
    a->one_tier = true;
    return strcmp(name, "--tier") == 0 && kern_tier_find(value, &a->tier);
}

bool asked_parse(int argc, char **argv, const char *one, asked *a)
{
    bool right = true;
    *a = (asked){.seed = 1};
    for (int i = 1; i < argc && right; i++)
        if (strcmp(argv[i], "--self-test") == 0)
            a->self_test = true;
        else {
            right = take(argv[i], i + 1 < argc ? argv[i + 1] : NULL, one, a);
            i++;
        }
    if (right && !(a->self_test && (a->one_tier || a->only != NULL))) return true;
    fprintf(stderr, "usage: %s [--tier portable|neon|avx2|avx512] [%s NAME] [--seed N] | --self-test [--seed N]\n", argv[0],
            one);
    return false;
}

bool asked_tier_runs(const asked *a, kern_tier tier)
{
    kern_table t;
    if (a->one_tier && tier != a->tier) return false;
    const char *missing = !(kern_cpu_probe().tiers & 1u << tier) ? "this CPU does not run it"
                          : !kern_table_fill(&t, tier, 0)        ? "this build does not contain it"
                                                                 : NULL;
    if (missing != NULL) printf("skipped: tier %s: %s\n", kern_tier_name(tier), missing);
    return missing == NULL;
}
