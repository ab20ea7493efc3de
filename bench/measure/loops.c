#include "bench/measure/loops.h"

#include <math.h>

/* Unrolls a loop whole, so that an array of vectors is registers. */
#ifdef __clang__
#define BENCH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BENCH_UNROLL _Pragma("GCC unroll 32")
#endif

#define BENCH_INLINE __attribute__((always_inline)) static inline

#if defined(__aarch64__)
enum { CHAINS = 24, STEPS = 2048 };
#else
enum { CHAINS = 12, STEPS = 4096 };
#endif

#if defined(__x86_64__)
#include <immintrin.h>

/* The asm keeps each chain a chain: without it the compiler may rearrange them. */
__attribute__((target("avx512f"))) BENCH_INLINE void chains_avx512(float *sink, bool filled)
{
    const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    __m512 x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm512_set1_ps((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm512_fmadd_ps(x[i], a, b);
            if (filled && i % 2)
                __asm__ volatile("nop" : "+v"(x[i]));
            else
                __asm__ volatile("" : "+v"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm512_add_ps(x[0], x[i]);
    *sink = _mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx512f"))) static void plain_avx512(float *sink)
{
    chains_avx512(sink, false);
}

__attribute__((target("avx512f"))) static void filled_avx512(float *sink)
{
    chains_avx512(sink, true);
}

__attribute__((target("avx2,fma"))) BENCH_INLINE void chains_avx2(float *sink, bool filled)
{
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    __m256 x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm256_set1_ps((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm256_fmadd_ps(x[i], a, b);
            if (filled && i % 2)
                __asm__ volatile("nop" : "+x"(x[i]));
            else
                __asm__ volatile("" : "+x"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm256_add_ps(x[0], x[i]);
    *sink = _mm256_cvtss_f32(x[0]);
}

__attribute__((target("avx2,fma"))) static void plain_avx2(float *sink)
{
    chains_avx2(sink, false);
}

__attribute__((target("avx2,fma"))) static void filled_avx2(float *sink)
{
    chains_avx2(sink, true);
}

__attribute__((target("avx512f,avx512bf16"))) static void dots_bf16(float *sink)
{
    const __m512i ones = _mm512_set1_epi32(0x3f803f80); /* pairs of 1 */
    __m512bh a;
    __builtin_memcpy(&a, &ones, sizeof a);
    __m512 x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm512_set1_ps((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm512_dpbf16_ps(x[i], a, a);
            __asm__ volatile("" : "+v"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm512_add_ps(x[0], x[i]);
    *sink = _mm512_cvtss_f32(x[0]);
}

__attribute__((target("avx512f,avx512vnni"))) static void dots_int8(float *sink)
{
    const __m512i a = _mm512_set1_epi32(0x01010101);
    __m512i x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = _mm512_set1_epi32((int)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = _mm512_dpbusd_epi32(x[i], a, a);
            __asm__ volatile("" : "+v"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = _mm512_add_epi32(x[0], x[i]);
    *sink = (float)_mm_cvtsi128_si32(_mm512_castsi512_si128(x[0]));
}

/* AMX: four tiles of sums hide the latency of a product, 52 cycles of which one starts every 16. What they hold is zero. */
enum { TILES = 4, TILE_STEPS = 1024 };

__attribute__((target("amx-tile"))) static void begin_tiles(void)
{
    struct {
        uint8_t palette, reserved[15];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1};
    for (size_t i = 0; i < 8; i++) c.row_bytes[i] = 64, c.rows[i] = 16;
    __asm__ volatile("" : : "r"(&c) : "memory"); /* the intrinsic does not say that it reads all of it */
    _tile_loadconfig(&c);
}

/* The instruction takes its tiles' numbers as constants, so each product stands there for itself. */
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) BENCH_INLINE void tiles(float *sink, bool bytes)
{
    begin_tiles();
    for (size_t s = 0; s < TILE_STEPS; s++) {
        if (bytes) {
            _tile_dpbusd(0, 4, 5);
            _tile_dpbusd(1, 4, 6);
            _tile_dpbusd(2, 4, 7);
            _tile_dpbusd(3, 5, 6);
        } else {
            _tile_dpbf16ps(0, 4, 5);
            _tile_dpbf16ps(1, 4, 6);
            _tile_dpbf16ps(2, 4, 7);
            _tile_dpbf16ps(3, 5, 6);
        }
    }
    _tile_release();
    *sink = 0;
}

__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static void tiles_bf16(float *sink)
{
    tiles(sink, false);
}

__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static void tiles_int8(float *sink)
{
    tiles(sink, true);
}
#elif defined(__aarch64__)
#include <arm_neon.h>

BENCH_INLINE void chains_neon(float *sink, bool filled)
{
    const float32x4_t a = vdupq_n_f32(0.5f), b = vdupq_n_f32(0.25f);
    float32x4_t x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = vdupq_n_f32((float)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = vfmaq_f32(x[i], a, b);
            if (filled && i % 2)
                __asm__ volatile("nop" : "+w"(x[i]));
            else
                __asm__ volatile("" : "+w"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = vaddq_f32(x[0], x[i]);
    *sink = vgetq_lane_f32(x[0], 0);
}

static void plain_neon(float *sink)
{
    chains_neon(sink, false);
}

static void filled_neon(float *sink)
{
    chains_neon(sink, true);
}

#ifndef __clang__ /* clang 14 has the intrinsic only where the whole file is for CPUs with the extension */
#define BENCH_NEON_DOT
__attribute__((target("arch=armv8.2-a+dotprod"))) static void dots_int8(float *sink)
{
    const int8x16_t a = vdupq_n_s8(1);
    int32x4_t x[CHAINS];
    BENCH_UNROLL
    for (size_t i = 0; i < CHAINS; i++) x[i] = vdupq_n_s32((int)i);
    for (size_t s = 0; s < STEPS; s++) {
        BENCH_UNROLL
        for (size_t i = 0; i < CHAINS; i++) {
            x[i] = vdotq_s32(x[i], a, a);
            __asm__ volatile("" : "+w"(x[i]));
        }
    }
    BENCH_UNROLL
    for (size_t i = 1; i < CHAINS; i++) x[0] = vaddq_s32(x[0], x[i]);
    *sink = (float)vgetq_lane_s32(x[0], 0);
}
#endif
#endif

static void plain_scalar(float *sink)
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

/* ---- Which loops ---- */

static kern_tier tier_of(const bench_run *run)
{
    return run->ctx.k.tier == KERN_TIER_PORTABLE ? kern_cpu_probe().best : run->ctx.k.tier;
}

bench_loops bench_loops_f32(const bench_run *run)
{
    const kern_tier tier = tier_of(run);
    const double chains = 2.0 * CHAINS * STEPS;
#if defined(__x86_64__)
    if (tier == KERN_TIER_AVX512) return (bench_loops){plain_avx512, filled_avx512, 16 * chains};
    if (tier == KERN_TIER_AVX2) return (bench_loops){plain_avx2, filled_avx2, 8 * chains};
#elif defined(__aarch64__)
    if (tier == KERN_TIER_NEON) return (bench_loops){plain_neon, filled_neon, 4 * chains};
#endif
    (void)tier;
    return (bench_loops){plain_scalar, plain_scalar, chains};
}

eng_precision bench_peak_precision(const bench_run *run, eng_precision p)
{
#if defined(__x86_64__)
    const unsigned caps = run->ctx.k.caps;
    if (tier_of(run) == KERN_TIER_AVX512) {
        if (caps & KERN_CAP_AMX) return p;
        if (p == ENG_BF16 && caps & KERN_CAP_AVX512_BF16 && !(caps & KERN_CAP_SLOW_BF16)) return ENG_BF16;
        if (p == ENG_INT8 && caps & KERN_CAP_AVX512_VNNI) return ENG_INT8;
    }
#endif
#ifdef BENCH_NEON_DOT
    if (p == ENG_INT8 && tier_of(run) == KERN_TIER_NEON && run->ctx.k.caps & KERN_CAP_NEON_DOT) return ENG_INT8;
#endif
    (void)run, (void)p;
    return ENG_F32;
}

bench_loops bench_loops_reduced(const bench_run *run, eng_precision p)
{
    bench_loops loops = bench_loops_f32(run);
    loops.filled = NULL;
#if defined(__x86_64__)
    const bool tiles = run->ctx.k.caps & KERN_CAP_AMX;
    const double products = 16.0 * 16 * 16 * TILES * TILE_STEPS; /* of units */
    if (p == ENG_BF16 && tiles) loops = (bench_loops){tiles_bf16, NULL, 2.0 * 2 * products};
    else if (p == ENG_INT8 && tiles) loops = (bench_loops){tiles_int8, NULL, 2.0 * 4 * products};
    else if (p == ENG_BF16) loops = (bench_loops){dots_bf16, NULL, 2.0 * 32 * CHAINS * STEPS};
    else if (p == ENG_INT8) loops = (bench_loops){dots_int8, NULL, 2.0 * 64 * CHAINS * STEPS};
#elif defined(BENCH_NEON_DOT)
    if (p == ENG_INT8) loops = (bench_loops){dots_int8, NULL, 2.0 * 16 * CHAINS * STEPS};
#endif
    (void)p;
    return loops;
}

bool bench_probe_is_absolute(const bench_run *run)
{
    /* every CPU with AVX2 issues four instructions a cycle and does no more than two multiply-adds in it */
    return tier_of(run) == KERN_TIER_AVX512 || tier_of(run) == KERN_TIER_AVX2;
}
