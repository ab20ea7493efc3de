#include "kernels/tiers.h"

#include <string.h>

static bool consistent(const kern_gemm_blocks *g)
{
    if (g->mr == 0 || g->nr == 0 || g->kc == 0 || g->mc == 0 || g->nc == 0 || g->run == 0) return false;
    return g->mc % g->mr == 0 && g->nc % g->nr == 0 && g->kc % g->run == 0;
}

bool kern_table_check(const kern_table *t)
{
    if (!consistent(&t->gemm_blocks) || !consistent(&t->bf16_blocks) || !consistent(&t->i8_blocks)) return false;
    if (t->bf16_blocks.nr != t->gemm_blocks.nr || t->i8_blocks.nr != t->gemm_blocks.nr) return false;
    if (t->gemm_blocks.run != 1) return false;

    /* From gemm_f32 to its end the table is function pointers; walking them forgets none that is added later. */
    const char *table = (const char *)t;
    for (size_t at = offsetof(kern_table, gemm_f32); at < sizeof *t; at += sizeof(void (*)(void))) {
        void (*kernel)(void);
        memcpy(&kernel, table + at, sizeof kernel);
        if (kernel == NULL) return false;
    }
    return true;
}

#ifdef KERN_HAVE_NEON
static void fill_neon(kern_table *t, unsigned caps)
{
    kern_fill_bodies_neon(t);
    kern_fill_neon_f32(t);
    kern_fill_neon_i8(t);
#ifdef KERN_HAVE_NEON_DOT
    if (caps & KERN_CAP_NEON_DOT) kern_fill_neon_dot(t);
#endif
    (void)caps;
}
#endif

#ifdef KERN_HAVE_AVX2
static void fill_avx2(kern_table *t)
{
    kern_fill_bodies_avx2(t);
    kern_fill_avx2_f32(t);
    kern_fill_avx2_i8(t);
}
#endif

#ifdef KERN_HAVE_AVX512
static void fill_avx512(kern_table *t, unsigned caps)
{
    kern_fill_bodies_avx512(t);
    kern_fill_avx2_i8(t);
    kern_fill_avx512_f32(t);
#ifdef KERN_HAVE_AVX512_BF16
    if (caps & KERN_CAP_AVX512_BF16) kern_fill_avx512_bf16(t);
    t->bf16_is_fast = t->bf16_is_fast && !(caps & KERN_CAP_SLOW_BF16);
#endif
#ifdef KERN_HAVE_AVX512_VNNI
    if (caps & KERN_CAP_AVX512_VNNI) kern_fill_avx512_vnni(t);
#endif
#ifdef KERN_HAVE_AVX512_AMX
    if (caps & KERN_CAP_AMX) kern_fill_avx512_amx(t);
#endif
    (void)caps;
}
#endif

bool kern_table_fill(kern_table *t, kern_tier tier, unsigned caps)
{
    kern_table fresh = {0};
    switch (tier) {
    case KERN_TIER_PORTABLE: kern_fill_bodies_portable(&fresh); break;
#ifdef KERN_HAVE_NEON
    case KERN_TIER_NEON: fill_neon(&fresh, caps); break;
#endif
#ifdef KERN_HAVE_AVX2
    case KERN_TIER_AVX2: fill_avx2(&fresh); break;
#endif
#ifdef KERN_HAVE_AVX512
    case KERN_TIER_AVX512: fill_avx512(&fresh, caps); break;
#endif
    default: return false;
    }
    fresh.tier = tier;
    fresh.caps = caps;
    if (!kern_table_check(&fresh)) return false;
    *t = fresh;
    return true;
}

static const char *const tier_names[KERN_TIER_COUNT] = {"portable", "neon", "avx2", "avx512"};

const char *kern_tier_name(kern_tier tier)
{
    return (unsigned)tier < KERN_TIER_COUNT ? tier_names[tier] : "unknown";
}

static bool is(const char *name, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(name, wanted, length) == 0;
}

static bool find_tier(const char *name, size_t length, kern_tier *tier)
{
    for (unsigned i = 0; i < KERN_TIER_COUNT; i++)
        if (is(name, length, tier_names[i])) {
            *tier = (kern_tier)i;
            return true;
        }
    if (!is(name, length, "scalar")) return false; /* what scripts used to say */
    *tier = KERN_TIER_PORTABLE;
    return true;
}

bool kern_tier_find(const char *name, kern_tier *tier)
{
    return find_tier(name, strlen(name), tier);
}

bool kern_tier_parse(const char *name, unsigned all, kern_tier *tier, unsigned *caps)
{
    static const struct {
        const char *name;
        unsigned cap;
    } known[] = {{"bf16", KERN_CAP_AVX512_BF16 | KERN_CAP_SLOW_BF16},
                 {"vnni", KERN_CAP_AVX512_VNNI},
                 {"dotprod", KERN_CAP_NEON_DOT},
                 {"amx", KERN_CAP_AMX}};
    const size_t length = strcspn(name, "-");
    kern_tier found;
    unsigned left = all;
    if (!find_tier(name, length, &found)) return false;
    for (const char *at = name + length; *at;) {
        const size_t n = strcspn(++at, "-");
        unsigned out = 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (is(at, n, known[i].name)) out = known[i].cap;
        if (out == 0) return false;
        left &= ~out;
        at += n;
    }
    *tier = found;
    *caps = left;
    return true;
}
