#include "bench/work/lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const precisions[BENCH_PRECISIONS] = {"f32", "bf16", "int8"};

const char *bench_precision_name(eng_precision p)
{
    return precisions[p];
}

/* Which precision the first `length` letters of text name; BENCH_PRECISIONS: none. */
static size_t find_precision(const char *text, size_t length)
{
    size_t p = 0;
    while (p < BENCH_PRECISIONS && (strlen(precisions[p]) != length || strncmp(precisions[p], text, length) != 0)) p++;
    return p;
}

size_t bench_read_precisions(const char *list, size_t *out)
{
    size_t n = 0;
    out[0] = SIZE_MAX;
    if (!list) return 1;
    for (const char *at = list; at; n++) {
        const size_t length = strcspn(at, ","), p = find_precision(at, length);
        if (n == BENCH_PRECISIONS || p == BENCH_PRECISIONS) {
            fprintf(stderr, "bench: --precision: expected some of f32,bf16,int8, found %s\n", list);
            return 0;
        }
        out[n] = p;
        at = at[length] ? at + length + 1 : NULL;
    }
    return n;
}

size_t bench_read_threads(const char *list, uint64_t *out)
{
    enum { MOST = 4096 };
    size_t n = 0;
    out[0] = 0;
    if (!list) return 1;
    for (const char *at = list; at; n++) {
        char *end = NULL;
        const bool digit = *at >= '0' && *at <= '9';
        const unsigned long long threads = digit ? strtoull(at, &end, 10) : 0;
        if (n == BENCH_MOST_THREADS || !digit || threads > MOST || (*end && *end != ',')) {
            fprintf(stderr, "bench: --threads: expected up to %d counts up to %d, as 1,2; found %s\n",
                    BENCH_MOST_THREADS, MOST, list);
            return 0;
        }
        out[n] = threads;
        at = *end ? end + 1 : NULL;
    }
    return n;
}

void bench_cpu_name(size_t size, char *out)
{
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown CPU");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (f) fclose(f);
}

const char *bench_caps_name(const kern_table *k)
{
    const bool bf16 = k->caps & KERN_CAP_AVX512_BF16 && !(k->caps & KERN_CAP_SLOW_BF16),
               vnni = k->caps & KERN_CAP_AVX512_VNNI;
    if (k->tier == KERN_TIER_NEON && k->caps & KERN_CAP_NEON_DOT) return " + DotProd";
    if (k->tier != KERN_TIER_AVX512) return "";
    if (k->caps & KERN_CAP_AMX) return " + AMX";
    return bf16 && vnni ? " + BF16 + VNNI" : bf16 ? " + BF16" : vnni ? " + VNNI" : "";
}
