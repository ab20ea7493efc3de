/* The roof: fused multiply-adds on registers alone, in as many chains as hide their latency (4 or 5 cycles, two a
 * cycle; 12 chains are enough and leave registers over). Functions carry their own target flags, so one binary has all.
 */
#include "bench/bench.h"

#include <math.h>

/* Unrolls a loop whole, so that an array of vectors is registers. */
#ifdef __clang__
#define BENCH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BENCH_UNROLL _Pragma("GCC unroll 16")
#endif

enum { CHAINS = 12, STEPS = 4096 };

/* Stores what the chains computed, so that they are computed. */
typedef void (*peak_fn)(float *sink);

#if defined(__x86_64__)
#include <immintrin.h>

/* The empty asm keeps each chain a chain: without it the compiler may rearrange them. */
__attribute__((target("avx512f"))) static void peak_avx512(float *sink)
{
    const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    __m512 x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm512_set1_ps((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm512_fmadd_ps(x[i], a, b);
            __asm__ volatile("" : "+v"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm512_add_ps(x[0], x[i]);
    *sink = _mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx2,fma"))) static void peak_avx2(float *sink)
{
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    __m256 x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm256_set1_ps((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm256_fmadd_ps(x[i], a, b);
            __asm__ volatile("" : "+x"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm256_add_ps(x[0], x[i]);
    *sink = _mm256_cvtss_f32(x[0]);
}
#elif defined(__aarch64__)
#include <arm_neon.h>

static void peak_neon(float *sink)
{
    const float32x4_t a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
    float32x4_t x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = vdupq_n_f32((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = vfmaq_f32(a, x[i], b);
            __asm__ volatile("" : "+w"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = vaddq_f32(x[0], x[i]);
    *sink = vgetq_lane_f32(x[0], 0);
}
#endif

static void peak_scalar(float *sink)
{
    float x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = (float)i;
    for (size_t s = 0; s < STEPS; s++)
        for (size_t i = 0; i < CHAINS; i++) x[i] = fmaf(x[i], 0.5f, 0.25f);
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] += x[i];
    *sink = x[0];
}

typedef struct peak_run {
    peak_fn fn;
    float *sinks; /* [tasks] */
} peak_run;

static void peak_task(void *arg, size_t task, size_t worker)
{
    const peak_run *p = arg;
    (void)worker;
    p->fn(p->sinks + task);
}

double bench_peak_f32(const bench_run *run, size_t threads)
{
    enum { TASKS = 64, MOST = 4096 }; /* TASKS a thread, of about 7 us: short, so that they spread evenly */
    kern_tier tier = run->ctx.k.tier;
    if (tier == KERN_TIER_SCALAR) tier = kern_cpu_probe().best;
    size_t lanes = 1;
    peak_run p = {.fn = peak_scalar};
#if defined(__x86_64__)
    if (tier == KERN_TIER_AVX512) p.fn = peak_avx512, lanes = 16;
    if (tier == KERN_TIER_AVX2) p.fn = peak_avx2, lanes = 8;
#elif defined(__aarch64__)
    if (tier == KERN_TIER_NEON) p.fn = peak_neon, lanes = 4;
#endif
    float sinks[MOST];
    p.sinks = sinks;
    size_t tasks = threads * TASKS < MOST ? threads * TASKS : MOST;
    const double start = bench_now();
    eng_pool_run(run->ctx.pool, tasks, peak_task, &p);
    const double flops = 2.0 * CHAINS * STEPS * (double)lanes * (double)tasks;
    return flops / (bench_now() - start) * 1e-9;
}
