/* The kernel table: what kern_table_fill accepts, kern_table_check refuses, and the CPU probe promises. */
#include "kernels/kernels.h"

#include <criterion/criterion.h>
#include <string.h>

Test(table, every_tier_of_this_build_fills_completely)
{
    unsigned filled = 0;
    for (unsigned i = 0; i < KERN_TIER_COUNT; i++) {
        kern_table t;
        if (!kern_table_fill(&t, (kern_tier)i, 5)) continue;
        filled++;
        cr_assert(kern_table_check(&t));
        cr_assert_eq((unsigned)t.tier, i);
        cr_assert_eq(t.caps, 5);
    }
    cr_assert_geq(filled, 1);
}

Test(table, an_absent_tier_leaves_the_table_untouched)
{
    kern_table t, before;
    memset(&t, 0x5a, sizeof t);
    memcpy(&before, &t, sizeof t);
    cr_assert(!kern_table_fill(&t, KERN_TIER_COUNT, 0));
#if defined(__x86_64__)
    cr_assert(!kern_table_fill(&t, KERN_TIER_NEON, 0));
#else
    cr_assert(!kern_table_fill(&t, KERN_TIER_AVX2, 0));
#endif
    cr_assert_eq(memcmp(&t, &before, sizeof t), 0);
}

Test(table, any_missing_kernel_is_refused)
{
    kern_table good;
    cr_assert(kern_table_fill(&good, KERN_TIER_PORTABLE, 0));
    size_t kernels = 0;
    for (size_t at = offsetof(kern_table, gemm_f32); at < sizeof good; at += sizeof good.gemm_f32, kernels++) {
        kern_table t = good;
        memset((char *)&t + at, 0, sizeof good.gemm_f32);
        cr_assert(!kern_table_check(&t), "slot at byte %zu", at);
    }
    cr_assert_gt(kernels, 20);
    cr_assert_eq(kernels * sizeof good.gemm_f32, sizeof good - offsetof(kern_table, gemm_f32));
}

Test(table, inconsistent_blocks_are_refused)
{
    kern_table good;
    cr_assert(kern_table_fill(&good, KERN_TIER_PORTABLE, 0));
    kern_gemm_blocks *const each[] = {&good.gemm_blocks, &good.bf16_blocks, &good.i8_blocks};
    for (size_t b = 0; b < 3; b++) {
        kern_gemm_blocks *g = each[b];
        const kern_gemm_blocks before = *g;
        size_t *const fields[] = {&g->mr, &g->nr, &g->kc, &g->mc, &g->nc, &g->run};
        for (size_t i = 0; i < 6; i++) {
            *fields[i] = 0;
            cr_assert(!kern_table_check(&good), "block %zu is zero", i);
            *g = before;
            cr_assert(kern_table_check(&good));
        }
        g->mc++;
        cr_assert(!kern_table_check(&good), "mc is no multiple of mr");
        *g = before;
        g->nc++;
        cr_assert(!kern_table_check(&good), "nc is no multiple of nr");
        *g = before;
        g->nr *= 2, g->nc *= 2;
        cr_assert(!kern_table_check(&good), "panels of B of two widths");
        *g = before;
        g->run = 3;
        cr_assert(!kern_table_check(&good), "kc is no multiple of the run");
        g->run = 2;
        cr_assert_eq(kern_table_check(&good), b > 0, "runs of floats");
        *g = before;
    }
}

/* The one kernel that a capability replaces in a tier, or 0: it belongs to another, or the build lacks its library. */
static size_t replaced_slot(kern_tier tier, unsigned cap)
{
#ifdef KERN_HAVE_AVX512_BF16
    if (tier == KERN_TIER_AVX512 && cap == KERN_CAP_AVX512_BF16) return offsetof(kern_table, gemm_bf16);
#endif
#ifdef KERN_HAVE_AVX512_VNNI
    if (tier == KERN_TIER_AVX512 && cap == KERN_CAP_AVX512_VNNI) return offsetof(kern_table, gemm_i8);
#endif
#ifdef KERN_HAVE_NEON_DOT
    if (tier == KERN_TIER_NEON && cap == KERN_CAP_NEON_DOT) return offsetof(kern_table, gemm_i8);
#endif
    (void)tier, (void)cap;
    return 0;
}

Test(table, capabilities_replace_their_kernels_alone)
{
    static const unsigned caps[] = {KERN_CAP_AVX512_BF16, KERN_CAP_AVX512_VNNI, KERN_CAP_NEON_DOT};
    for (unsigned i = 0; i < KERN_TIER_COUNT; i++)
        for (size_t q = 0; q < sizeof caps / sizeof *caps; q++) {
            kern_table plain, more;
            const size_t replaced = replaced_slot((kern_tier)i, caps[q]);
            if (!kern_table_fill(&plain, (kern_tier)i, 0)) continue;
            cr_assert(kern_table_fill(&more, (kern_tier)i, caps[q]));
            for (size_t at = offsetof(kern_table, gemm_f32); at < sizeof plain; at += sizeof plain.gemm_f32) {
                const bool same = memcmp((char *)&plain + at, (char *)&more + at, sizeof plain.gemm_f32) == 0;
                cr_assert_eq(same, at != replaced, "slot at byte %zu", at);
            }
            cr_assert_eq(memcmp(&plain.gemm_blocks, &more.gemm_blocks, sizeof plain.gemm_blocks), 0);
            cr_assert(!plain.bf16_is_fast);
            cr_assert_eq(more.bf16_is_fast, replaced == offsetof(kern_table, gemm_bf16));
        }
}

Test(table, names_leave_capabilities_out)
{
    const unsigned all = KERN_CAP_AVX512_BF16 | KERN_CAP_AVX512_VNNI | KERN_CAP_SLOW_BF16 | KERN_CAP_AMX | KERN_CAP_NEON_DOT;
    static const struct {
        const char *name;
        kern_tier tier;
        unsigned without;
    } good[] = {{"portable", KERN_TIER_PORTABLE, 0},
              {"scalar", KERN_TIER_PORTABLE, 0},
                {"avx512", KERN_TIER_AVX512, 0},
                {"avx512-amx", KERN_TIER_AVX512, KERN_CAP_AMX},
                {"avx512-vnni-amx", KERN_TIER_AVX512, KERN_CAP_AMX | KERN_CAP_AVX512_VNNI},
                {"avx512-bf16", KERN_TIER_AVX512, KERN_CAP_AVX512_BF16 | KERN_CAP_SLOW_BF16},
                {"neon-dotprod", KERN_TIER_NEON, KERN_CAP_NEON_DOT}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        kern_tier tier = KERN_TIER_COUNT;
        unsigned caps = 0;
        cr_assert(kern_tier_parse(good[i].name, all, &tier, &caps), "%s", good[i].name);
        cr_assert_eq(tier, good[i].tier, "%s", good[i].name);
        cr_assert_eq(caps, all & ~good[i].without, "%s", good[i].name);
        cr_assert(kern_tier_parse(good[i].name, 0, &tier, &caps));
        cr_assert_eq(caps, 0u, "%s", good[i].name);
    }
    static const char *const bad[] = {"", "-amx", "avx", "avx5120", "avx512-", "avx512--amx", "avx512-am", "avx512-amx-",
                                      "avx512-avx2", "avx512+amx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kern_tier tier = KERN_TIER_COUNT;
        unsigned caps = 77;
        cr_assert(!kern_tier_parse(bad[i], all, &tier, &caps), "%s", bad[i]);
        cr_assert(tier == KERN_TIER_COUNT && caps == 77, "%s", bad[i]);
    }
}

#ifdef KERN_HAVE_AVX512_BF16
/* Slow bf16 is there, and not preferred. */
Test(table, slow_bf16_is_not_preferred)
{
    kern_table plain, fast, slow;
    cr_assert(kern_table_fill(&plain, KERN_TIER_AVX512, 0));
    cr_assert(kern_table_fill(&fast, KERN_TIER_AVX512, KERN_CAP_AVX512_BF16));
    cr_assert(kern_table_fill(&slow, KERN_TIER_AVX512, KERN_CAP_AVX512_BF16 | KERN_CAP_SLOW_BF16));
    cr_assert(slow.gemm_bf16 == fast.gemm_bf16 && slow.gemm_bf16 != plain.gemm_bf16);
    cr_assert(fast.bf16_is_fast && !slow.bf16_is_fast);
}
#endif

#ifdef KERN_HAVE_AVX512_AMX
/* Tiles replace both products and their blocks, whatever else the CPU has. */
Test(table, tiles_come_first)
{
    const unsigned others = KERN_CAP_AVX512_BF16 | KERN_CAP_SLOW_BF16 | KERN_CAP_AVX512_VNNI;
    kern_table plain, without, amx, all;
    cr_assert(kern_table_fill(&plain, KERN_TIER_AVX512, 0));
    cr_assert(kern_table_fill(&without, KERN_TIER_AVX512, others));
    cr_assert(kern_table_fill(&amx, KERN_TIER_AVX512, KERN_CAP_AMX));
    cr_assert(kern_table_fill(&all, KERN_TIER_AVX512, others | KERN_CAP_AMX));
    cr_assert(!plain.bf16_is_fast && !without.bf16_is_fast && amx.bf16_is_fast && all.bf16_is_fast);
    cr_assert(amx.gemm_bf16 != plain.gemm_bf16 && amx.gemm_bf16 != without.gemm_bf16);
    cr_assert(amx.gemm_i8 != without.gemm_i8 && all.gemm_bf16 == amx.gemm_bf16);
    cr_assert(amx.gemm_i8 != plain.gemm_i8 && all.gemm_i8 == amx.gemm_i8);
    cr_assert_eq(memcmp(&plain.gemm_blocks, &amx.gemm_blocks, sizeof plain.gemm_blocks), 0);
    cr_assert(amx.bf16_blocks.run > 1 && amx.i8_blocks.run > 1 && plain.bf16_blocks.run == 1);
    for (size_t at = offsetof(kern_table, gemm_f32); at < sizeof plain; at += sizeof plain.gemm_f32)
        if (at != offsetof(kern_table, gemm_bf16) && at != offsetof(kern_table, gemm_i8))
            cr_assert_eq(memcmp((char *)&plain + at, (char *)&amx + at, sizeof plain.gemm_f32), 0, "slot at %zu", at);
}
#endif

/* A micro-kernel of floats knows the width of its tier's panels; a tier that changes the tile brings its own. The
 * others are told it, and conformance tries those that a tier inherits on its panels. */
Test(table, a_tile_comes_with_its_micro_kernel)
{
    for (unsigned i = 0; i < KERN_TIER_COUNT; i++)
        for (unsigned j = 0; j < i; j++) {
            kern_table a, b;
            if (!kern_table_fill(&a, (kern_tier)i, 0) || !kern_table_fill(&b, (kern_tier)j, 0)) continue;
            if (a.gemm_blocks.mr == b.gemm_blocks.mr && a.gemm_blocks.nr == b.gemm_blocks.nr) continue;
            cr_assert(a.gemm_f32 != b.gemm_f32, "%s and %s", kern_tier_name(a.tier), kern_tier_name(b.tier));
        }
}

Test(table, names_go_both_ways)
{
    for (unsigned i = 0; i < KERN_TIER_COUNT; i++) {
        kern_tier found;
        cr_assert(kern_tier_find(kern_tier_name((kern_tier)i), &found));
        cr_assert_eq((unsigned)found, i);
    }
    kern_tier untouched = KERN_TIER_AVX2;
    cr_assert(!kern_tier_find("AVX2", &untouched));
    cr_assert(!kern_tier_find("", &untouched));
    cr_assert_eq(untouched, KERN_TIER_AVX2);
}

Test(table, the_probe_is_consistent)
{
    const kern_cpu cpu = kern_cpu_probe();
    cr_assert(cpu.tiers & 1u << KERN_TIER_PORTABLE);
    cr_assert(cpu.tiers & 1u << cpu.best);
    cr_assert_eq(cpu.tiers >> cpu.best, 1, "best is the highest tier");
    if (cpu.tiers & 1u << KERN_TIER_AVX512) cr_assert(cpu.tiers & 1u << KERN_TIER_AVX2);
    if (cpu.caps & KERN_CAP_SLOW_BF16) cr_assert(cpu.caps & KERN_CAP_AVX512_BF16);
    const unsigned avx512 = KERN_CAP_AVX512_BF16 | KERN_CAP_AVX512_VNNI | KERN_CAP_AMX;
    if (cpu.caps & avx512) cr_assert(cpu.tiers & 1u << KERN_TIER_AVX512);
    if (cpu.caps & KERN_CAP_NEON_DOT) cr_assert(cpu.tiers & 1u << KERN_TIER_NEON);
}
