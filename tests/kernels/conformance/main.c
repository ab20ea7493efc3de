/* conformance: compares the kernels of every tier with the specification (kernels/spec/), and bit for bit with the portable
 * tier.
 *
 * One line a kernel and tier: cases, and the worst error as a share of the bound. Kernels that a capability of the CPU
 * replaces have a second line, as tier+capability. The last line counts: a kernel in a tier is one. --self-test breaks
 * kernels on purpose and requires that each breakage is noticed. Exit code: 0 all passed, 1 a failure, 2 usage, 77 the
 * tier asked for is absent (meson counts it as skipped). */
#include "kernels/spec/spec.h"
#include "tests/kernels/asked.h"
#include "tests/kernels/conformance/conformance.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define KERNEL(member) #member, offsetof(kern_table, member), conf_##member

static const conf_test tests[] = {
    {KERNEL(gemm_f32), "exact"},
    {KERNEL(gemm_bf16), "2 (2k + 1) 2^-24 sum|xy|, subnormals may be zero"},
    {KERNEL(gemm_i8), "exact"},
    {KERNEL(gemm_pack), "exact"},
    {KERNEL(quantise_u8), "exact"},
    {KERNEL(absmax_f32), "exact"},
    {KERNEL(epilogue_f32), "exact, but for the activation's bound"},
    {KERNEL(layer_norm_f32), "rounding of mean and variance over n"},
    {KERNEL(channel_moments_f32), "exact"},
    {KERNEL(channel_affine_f32), "exact"},
    {KERNEL(exp_f32), "2 ulp"},
    {KERNEL(tanh_f32), "4 ulp"},
    {KERNEL(sigmoid_f32), "4 ulp"},
    {KERNEL(gelu_f32), "2^-21 relative above -2, 2^-23 |x| below"},
    {KERNEL(relu_f32), "exact"},
    {KERNEL(add_f32), "exact"},
    {KERNEL(mul_f32), "exact"},
    {KERNEL(axpy_f32), "exact"},
    {KERNEL(scale_rows_f32), "exact"},
    {KERNEL(sum_f32), "(n/4 + 8) 2^-24 sum|x|"},
    {KERNEL(max_f32), "exact, but for a zero's sign"},
    {KERNEL(dot_f32), "(n/4 + 8) 2^-24 sum|xy|"},
    {KERNEL(softmax_f32), "2 ulp of exp, rounding of x - max and of the sum over n"},
    {KERNEL(attention_softmax_f32), "2 ulp of exp, rounding of the scores and of the sum over keys"},
    {KERNEL(relative_gate_f32), "rounding of the dot over dim, 4 ulp of sigmoid"},
    {KERNEL(f16_to_f32), "exact"},
    {KERNEL(f32_to_f16), "exact"},
    {KERNEL(bf16_to_f32), "exact"},
    {KERNEL(f32_to_bf16), "exact"},
    {KERNEL(f32_to_bf16_pairs), "exact"},
    {KERNEL(bf16_pairs_to_f32), "exact"},
    {KERNEL(f32_to_bf16_runs), "exact"},
    {KERNEL(transpose_f32), "exact"},
    {KERNEL(channel_sum_f32), "exact"},
    {KERNEL(channel_dot_f32), "exact"},
    {KERNEL(layer_norm_backward_f32), "rounding of both means over n; of h in dgamma; dbeta exact"},
    {KERNEL(gelu_backward_f32), "2^-21 of the slope's terms above -2, 2^-23 + 2^-20 |x| phi(x) below"},
    {KERNEL(relu_backward_f32), "exact"},
    {KERNEL(tanh_backward_f32), "4 roundings of the slope"},
    {KERNEL(softmax_backward_f32), "rounding of the dot over n"},
    {KERNEL(attention_backward_f32), "2 ulp of exp, rounding of the scores and of the sums"},
    {KERNEL(relative_gate_backward_f32), "rounding of the dot over dim, 4 ulp of sigmoid"},
    {KERNEL(sum_squares_f32), "(5n/4 + 8) 2^-53"},
    {KERNEL(adamw_f32), "exact"},
};
enum { TESTS = sizeof tests / sizeof *tests };

/* The matrix products' cases depend on the tier's tile. Those of them that agree in all tiers agree with the specification
 * bit for bit. */
static bool has_tile(const conf_test *test)
{
    return strncmp(test->name, "gemm_", 5) == 0;
}

/* A kernel that touches what it must not lands here, and fails alone. */
static sigjmp_buf after_fault;

static void on_fault(int signal_number)
{
    siglongjmp(after_fault, signal_number);
}

static bool catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0 &&
           sigaction(SIGILL, &action, NULL) == 0;
}

/* Runs one test on a fresh state; the memory stays the caller's. */
static bool run_test(conf_run *r, const conf_test *test, const kern_table *ref, const kern_table *sut, uint64_t seed)
{
    *r = (conf_run){.ref = ref, .sut = sut, .rng = seed, .memory = r->memory};
    const int fault = sigsetjmp(after_fault, 1);
    if (fault == 0)
        test->run(r);
    else
        conf_fail(r, "%s", fault == SIGILL ? "illegal instruction" : "touched memory outside its operands");
    if (!r->failed && (r->cases == 0 || r->compared == 0)) conf_fail(r, "nothing compared");
    return !r->failed;
}

/* Every kernel of the table must have a test. Returns the number of those without. */
static size_t count_untested(void)
{
    size_t untested = 0;
    for (size_t at = offsetof(kern_table, gemm_f32); at < sizeof(kern_table); at += sizeof(conf_kernel)) {
        size_t i = 0;
        while (i < TESTS && tests[i].slot != at) i++;
        untested += i == TESTS;
    }
    if (untested > 0) printf("FAIL: %zu kernels of the table have no test\n", untested);
    return untested;
}

typedef struct counts {
    size_t passed, failed, skipped;
} counts;

/* A table whose kernels are tested; of those that it shares with base, if that is not NULL, only base's are. */
typedef struct subject {
    const char *name;
    kern_table table;
    const kern_table *base;
} subject;

/* Capabilities, each tested by itself on top of its tier. */
static const struct capability {
    kern_tier tier;
    unsigned bit;
    const char *name;
} capabilities[] = {
    {KERN_TIER_NEON, KERN_CAP_NEON_DOT, "neon+dot"},
    {KERN_TIER_AVX512, KERN_CAP_AVX512_VNNI, "avx512+vnni"},
    {KERN_TIER_AVX512, KERN_CAP_AVX512_BF16, "avx512+bf16"},
    {KERN_TIER_AVX512, KERN_CAP_AMX, "avx512+amx"},
};
enum { CAPABILITIES = sizeof capabilities / sizeof *capabilities };

/* Whether the portable tier's results of the same cases have r's digest. */
static bool same_as_portable(conf_run *r, const conf_test *test, const kern_table *ref, uint64_t seed)
{
    kern_table portable;
    const uint64_t wanted = r->digest;
    if (!kern_table_fill(&portable, KERN_TIER_PORTABLE, 0)) return false;
    const bool same = run_test(r, test, ref, &portable, seed) && r->digest == wanted;
    if (!same) snprintf(r->message, sizeof r->message, "other bits than the portable tier's");
    return same;
}

static void run_subject(conf_run *r, const subject *s, const char *kernel, uint64_t seed, counts *total)
{
    kern_table ref;
    kern_spec_fill(&ref);
    for (size_t i = 0; i < TESTS; i++) {
        const size_t slot = tests[i].slot;
        if (kernel != NULL && strcmp(kernel, tests[i].name) != 0) continue;
        if (s->base != NULL &&
            memcmp((const char *)&s->table + slot, (const char *)s->base + slot, sizeof(conf_kernel)) == 0)
            continue;
        bool passed = run_test(r, &tests[i], &ref, &s->table, seed);
        const double worst = r->worst;
        const bool shared = s->table.tier != KERN_TIER_PORTABLE && !has_tile(&tests[i]);
        if (passed && shared) passed = same_as_portable(r, &tests[i], &ref, seed);
        if (passed)
            printf("ok   %-11s %-26s %7zu cases, worst error %.2f of the bound (%s)%s\n", s->name, tests[i].name,
                   r->cases, worst, tests[i].bound, shared ? ", portable's bits" : "");
        else
            printf("FAIL %-11s %-26s %s\n", s->name, tests[i].name, r->message);
        total->passed += passed;
        total->failed += !passed;
        fflush(stdout);
    }
}

/* The tier without capabilities, then what each capability of the CPU changes. */
static void run_tier(conf_run *r, kern_tier tier, const kern_cpu *cpu, const char *kernel, uint64_t seed, counts *total)
{
    subject plain = {.name = kern_tier_name(tier)};
    if (!kern_table_fill(&plain.table, tier, 0)) {
        printf("FAIL %s: the table is incomplete\n", plain.name);
        total->failed++;
        return;
    }
    run_subject(r, &plain, kernel, seed, total);
    for (size_t i = 0; i < CAPABILITIES; i++) {
        if (capabilities[i].tier != tier) continue;
        subject more = {.name = capabilities[i].name, .base = &plain.table};
        if (!(cpu->caps & capabilities[i].bit)) {
            printf("skipped: %s: this CPU does not have it\n", more.name);
            total->skipped++;
        } else if (kern_table_fill(&more.table, tier, capabilities[i].bit)) {
            run_subject(r, &more, kernel, seed, total);
        } else {
            printf("FAIL %s: the table is incomplete\n", more.name);
            total->failed++;
        }
    }
}

/* The kernels of AVX512-BF16 and of AMX, by emulation, on top of the avx512 tier. */
static void run_emulated(conf_run *r, kern_tier tier, const char *kernel, uint64_t seed, counts *total)
{
#ifdef CONF_EMULATED
    static const struct {
        const char *name;
        void (*fill)(kern_table *t);
    } emulations[] = {{"avx512 with bf16 emulated", conf_table_fill_emulated_bf16},
                      {"avx512 with amx emulated", conf_table_fill_emulated_amx}};
    kern_table plain;
    if (tier != KERN_TIER_AVX512 || !kern_table_fill(&plain, tier, 0)) return;
    for (size_t i = 0; i < sizeof emulations / sizeof *emulations; i++) {
        subject emulated = {.name = emulations[i].name, .table = plain, .base = &plain};
        emulations[i].fill(&emulated.table);
        run_subject(r, &emulated, kernel, seed, total);
    }
#else
    (void)r, (void)tier, (void)kernel, (void)seed, (void)total;
#endif
}

static const conf_test *find_test(const char *name)
{
    for (size_t i = 0; i < TESTS; i++)
        if (strcmp(tests[i].name, name) == 0) return &tests[i];
    return NULL;
}

/* Each breakage of a list, whose test must pass without it. */
static void run_breakages(conf_run *r, const conf_breakage *breakages, size_t count, uint64_t seed, bool covered[TESTS],
                          counts *total)
{
    for (size_t i = 0; i < count; i++) {
        kern_table ref, sut;
        const conf_test *test = find_test(breakages[i].kernel);
        kern_spec_fill(&ref);
        if (test == NULL) {
            printf("FAIL %s: no such kernel\n", breakages[i].kernel);
            total->failed++;
            continue;
        }
        sut = ref;
        memcpy((char *)&sut + test->slot, &breakages[i].broken, sizeof breakages[i].broken);
        covered[test - tests] = true;
        const bool noticed = run_test(r, test, &ref, &ref, seed) && !run_test(r, test, &ref, &sut, seed);
        printf("%s %s that %s: %s\n", noticed ? "ok  " : "FAIL", breakages[i].kernel, breakages[i].what,
               noticed ? r->message : "not noticed");
        total->passed += noticed;
        total->failed += !noticed;
    }
}

/* In another order: within the bound, with other bits. */
static float sum_backwards(size_t n, const float *x)
{
    float sum = 0.0f;
    while (n > 0) sum += x[--n];
    return sum;
}

/* That a kernel within its bound but with bits of its own is told from the portable tier's. */
static void run_other_bits(conf_run *r, uint64_t seed, counts *total)
{
    const conf_test *test = find_test("sum_f32");
    kern_table ref, good, sut;
    kern_spec_fill(&ref);
    const bool there = kern_table_fill(&good, KERN_TIER_PORTABLE, 0);
    sut = good;
    sut.sum_f32 = sum_backwards;
    const bool right = there && run_test(r, test, &ref, &good, seed) && same_as_portable(r, test, &ref, seed);
    const bool noticed = right && run_test(r, test, &ref, &sut, seed) && !same_as_portable(r, test, &ref, seed);
    printf("%s sum_f32 that sums in another order: %s\n", noticed ? "ok  " : "FAIL", noticed ? r->message : "not noticed");
    total->passed += noticed;
    total->failed += !noticed;
}

/* All breakages, and that no kernel goes without one. */
static void run_self_test(conf_run *r, uint64_t seed, counts *total)
{
    typedef const conf_breakage *(*list)(size_t *count);
    static const list lists[] = {conf_breakages, conf_breakages_reduced, conf_breakages_backward};
    bool covered[TESTS] = {false};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t count;
        const conf_breakage *breakages = lists[i](&count);
        run_breakages(r, breakages, count, seed, covered, total);
    }
    run_other_bits(r, seed, total);
    for (size_t i = 0; i < TESTS; i++)
        if (!covered[i]) {
            printf("FAIL %s: no breakage in the self-test\n", tests[i].name);
            total->failed++;
        }
}

int main(int argc, char **argv)
{
    asked a;
    if (!asked_parse(argc, argv, "--kernel", &a)) return ASKED_WRONGLY;
    if (a.only != NULL && find_test(a.only) == NULL) {
        fprintf(stderr, "conformance: no kernel \"%s\"\n", a.only);
        return ASKED_WRONGLY;
    }
    static conf_run r;
    if (!conf_memory_open(&r) || !catch_faults()) {
        fprintf(stderr, "conformance: cannot map memory or catch signals\n");
        return 1;
    }
    printf("seed %llu\n", (unsigned long long)a.seed);
    const kern_cpu cpu = kern_cpu_probe();
    counts total = {.failed = count_untested()};
    size_t ran = 0;
    if (a.self_test) run_self_test(&r, a.seed, &total);
    for (unsigned i = 0; i < KERN_TIER_COUNT && !a.self_test; i++) {
        if (!asked_tier_runs(&a, (kern_tier)i)) continue;
        run_tier(&r, (kern_tier)i, &cpu, a.only, a.seed, &total);
        run_emulated(&r, (kern_tier)i, a.only, a.seed, &total);
        ran++;
    }
    if (a.one_tier && ran == 0) return ASKED_FOR_ABSENT;
    printf("%zu passed, %zu failed", total.passed, total.failed);
    if (total.skipped > 0) printf(", %zu skipped", total.skipped);
    putchar('\n');
    return total.failed == 0 && total.passed > 0 ? 0 : 1;
}
