/* The one instruction of AVX512-BF16 that kernels/gemm/avx512_bf16.c uses, in plain AVX-512, so that conformance can run
 * that file on CPUs without BF16. Included before it (-include), it takes the intrinsic's place; the tests alone are
 * built with it.
 *
 * VDPBF16PS (Intel SDM, volume 2): into each float, the product of the odd elements first, then that of the even ones;
 * each step a fused multiply-add, rounded to nearest even whatever MXCSR says. Subnormal operands, also the sum so far,
 * count as zero, and subnormal results become zero, signs kept. */
#ifndef TESTS_KERNELS_CONFORMANCE_EMULATED_BF16_H
#define TESTS_KERNELS_CONFORMANCE_EMULATED_BF16_H

#include <immintrin.h>

#define KERN_EMULATED_BF16

static inline __m512 emulated_flush(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x), exponent = _mm512_set1_epi32(0x7f800000);
    const __mmask16 small = _mm512_testn_epi32_mask(bits, exponent);
    return _mm512_castsi512_ps(_mm512_mask_and_epi32(bits, small, bits, _mm512_set1_epi32((int)0x80000000u)));
}

static inline __m512 emulated_step(__m512 sum, __m512i a, __m512i b)
{
    const __m512 x = emulated_flush(_mm512_castsi512_ps(a)), y = emulated_flush(_mm512_castsi512_ps(b));
    return emulated_flush(
        _mm512_fmadd_round_ps(x, y, emulated_flush(sum), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline __m512 emulated_dpbf16(__m512 sum, __m512i a, __m512i b)
{
    const __m512i odd = _mm512_set1_epi32((int)0xffff0000u);
    sum = emulated_step(sum, _mm512_and_si512(a, odd), _mm512_and_si512(b, odd));
    return emulated_step(sum, _mm512_slli_epi32(a, 16), _mm512_slli_epi32(b, 16));
}

#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps(sum, a, b) emulated_dpbf16(sum, (__m512i)(a), (__m512i)(b))

#endif
