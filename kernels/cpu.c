/* What this CPU can run. A SIMD tier needs its whole bundle of instructions and an operating system that saves its
 * registers (XGETBV). Bit positions: Intel SDM volume 2A, CPUID, and volume 1, 13.3 (XCR0). aarch64: below. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* XCR0 by hand: the intrinsic would need -mxsave, and this file is built for the base instruction set. */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_all(uint64_t have, uint64_t need)
{
    return (have & need) == need;
}

/* Linux grants the tiles' 8 KB of registers to a process that asks (arch_prctl, ARCH_REQ_XCOMP_PERM), and from then on
 * to its threads. Other systems are not asked, and run without. */
static bool grants_tiles(void)
{
#ifdef __linux__
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
#else
    return false;
#endif
}

/* Intel's cores take VDPBF16PS once in two cycles, half the rate of f32 (measured on a Xeon with AMX).
 * Others are taken to gain by it; no CPU of another maker was at hand. */
static bool has_slow_bf16(void)
{
    unsigned eax, ebx, ecx, edx;
    const unsigned genu = 0x756e6547; /* of "GenuineIntel" */
    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == genu;
}

kern_cpu kern_cpu_probe(void)
{
    enum {
        LEAF1_ECX_AVX2 = 1 << 12 | 1 << 27 | 1 << 28 | 1 << 29, /* FMA, OSXSAVE, AVX, F16C */
        LEAF7_EBX_AVX2 = 1 << 5,
        XCR0_AVX2 = 1 << 1 | 1 << 2, /* XMM, YMM */
        LEAF7_ECX_VNNI = 1 << 11,
        LEAF7_1_EAX_BF16 = 1 << 5,
        LEAF7_EDX_AMX = 1 << 22 | 1 << 24 | 1 << 25, /* bf16, tile, int8 */
        XCR0_AMX = 1 << 17 | 1 << 18,               /* configuration, tiles */
        XCR0_AVX512 = 1 << 5 | 1 << 6 | 1 << 7, /* opmask, upper halves of ZMM0-15, ZMM16-31 */
    };
    const uint32_t LEAF7_EBX_AVX512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */

    kern_cpu cpu = {.tiers = 1u << KERN_TIER_PORTABLE, .best = KERN_TIER_PORTABLE};
    unsigned eax, ebx, ecx, edx, ebx7, ecx7, edx7, last_subleaf;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has_all(ecx, LEAF1_ECX_AVX2)) return cpu;
    if (!__get_cpuid_count(7, 0, &last_subleaf, &ebx7, &ecx7, &edx7)) return cpu;
    const uint64_t saved = saved_state();

    if (!has_all(ebx7, LEAF7_EBX_AVX2) || !has_all(saved, XCR0_AVX2)) return cpu;
    cpu.tiers |= 1u << KERN_TIER_AVX2;
    cpu.best = KERN_TIER_AVX2;

    if (!has_all(ebx7, LEAF7_EBX_AVX512) || !has_all(saved, XCR0_AVX512)) return cpu;
    cpu.tiers |= 1u << KERN_TIER_AVX512;
    cpu.best = KERN_TIER_AVX512;

    if (has_all(ecx7, LEAF7_ECX_VNNI)) cpu.caps |= KERN_CAP_AVX512_VNNI;
    if (last_subleaf >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && has_all(eax, LEAF7_1_EAX_BF16))
        cpu.caps |= KERN_CAP_AVX512_BF16 | (has_slow_bf16() ? KERN_CAP_SLOW_BF16 : 0);
    if (has_all(edx7, LEAF7_EDX_AMX) && has_all(saved, XCR0_AMX) && grants_tiles()) cpu.caps |= KERN_CAP_AMX;
    return cpu;
}

#elif defined(__aarch64__)

#ifdef __linux__
#include <sys/auxv.h>
#endif

/* NEON is part of the base instruction set. What goes beyond it the kernel tells: the instructions that identify a CPU
 * are not open to programs. Other systems are not asked, and run without. */
kern_cpu kern_cpu_probe(void)
{
    kern_cpu cpu = {.tiers = 1u << KERN_TIER_PORTABLE | 1u << KERN_TIER_NEON, .best = KERN_TIER_NEON};
#ifdef __linux__
    const unsigned long dot_product = 1ul << 20; /* HWCAP_ASIMDDP, arch/arm64/include/uapi/asm/hwcap.h */
    if (getauxval(AT_HWCAP) & dot_product) cpu.caps |= KERN_CAP_NEON_DOT;
#endif
    return cpu;
}

#else

kern_cpu kern_cpu_probe(void)
{
    return (kern_cpu){.tiers = 1u << KERN_TIER_PORTABLE, .best = KERN_TIER_PORTABLE};
}

#endif
