/* Packing of GEMM operands into panels, AVX-512. B's panels, and those of any width: blocks of 16 rows and 16 columns,
 * transposed in registers. A's panels are six wide, where such a block would be mostly padding: six rows of 16 are
 * interleaved to six registers of output, first in pairs of rows, then the three pairs. */
#include "kernels/avx512_transpose.h"

enum { LANES = 16, SIX = 6, STEP = 256 }; /* columns of 16 rows at a time: streams that hardware prefetches */

/* Rows [0, n) of x, columns [0, columns), n and columns <= 16, to panel[p * width + j], j < kept <= 16. */
static inline __attribute__((always_inline)) void pack_block(size_t n, size_t columns, const float *x, size_t ldx,
                                                             size_t kept, size_t width, float *panel)
{
    const __mmask16 in = kern_lanes_avx512(columns), out = kern_lanes_avx512(kept);
    __m512 r[16];
    KERN_UNROLL
    for (size_t j = 0; j < 16; j++) r[j] = j < n ? _mm512_maskz_loadu_ps(in, x + j * ldx) : _mm512_setzero_ps();
    kern_transpose16_avx512(r);
    KERN_UNROLL
    for (size_t p = 0; p < 16; p++)
        if (p < columns) _mm512_mask_storeu_ps(panel + p * width, out, r[p]);
}

/* Columns [0, 16) of six rows: 96 floats of panel. */
static inline __attribute__((always_inline)) void pack_six(const float *x, size_t ldx, float *panel)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    /* Eight of the 24 pairs of a half each: a = rows 0 and 1, b = rows 2 and 3, then c = rows 4 and 5 where 8 and more
     * stand; the pair of step p has index p. */
    const __m512i ab[3] = {_mm512_setr_epi64(0, 8, 0, 1, 9, 0, 2, 10), _mm512_setr_epi64(0, 3, 11, 0, 4, 12, 0, 5),
                           _mm512_setr_epi64(13, 0, 6, 14, 0, 7, 15, 0)};
    const __m512i abc[3] = {_mm512_setr_epi64(0, 1, 8, 3, 4, 9, 6, 7), _mm512_setr_epi64(10, 1, 2, 11, 4, 5, 12, 7),
                            _mm512_setr_epi64(0, 13, 2, 3, 14, 5, 6, 15)};
    __m512 r[SIX];
    KERN_UNROLL
    for (size_t j = 0; j < SIX; j++) r[j] = _mm512_loadu_ps(x + j * ldx);
    KERN_UNROLL
    for (size_t half = 0; half < 2; half++) {
        __m512i pair[3];
        KERN_UNROLL
        for (size_t i = 0; i < 3; i++)
            pair[i] = _mm512_castps_si512(_mm512_permutex2var_ps(r[2 * i], half ? high : low, r[2 * i + 1]));
        KERN_UNROLL
        for (size_t i = 0; i < 3; i++) {
            const __m512i both = _mm512_permutex2var_epi64(pair[0], ab[i], pair[1]);
            _mm512_storeu_ps(panel + (half * 3 + i) * LANES,
                             _mm512_castsi512_ps(_mm512_permutex2var_epi64(both, abc[i], pair[2])));
        }
    }
}

/* Columns [p, end) of rows [j, j + 16) of the panel. */
static void pack_strip(size_t j, size_t width, size_t n, size_t p, size_t end, const float *x, size_t ldx, float *panel)
{
    const size_t kept = width - j < LANES ? width - j : LANES, rows = j >= n ? 0 : n - j < kept ? n - j : kept;
    for (; rows == LANES && p + LANES <= end; p += LANES)
        pack_block(LANES, LANES, x + j * ldx + p, ldx, LANES, width, panel + p * width + j);
    for (; p < end; p += LANES)
        pack_block(rows, end - p < LANES ? end - p : LANES, rows > 0 ? x + j * ldx + p : x, ldx, kept, width,
                   panel + p * width + j);
}

static void kern_gemm_pack_avx512(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel)
{
    size_t p = 0;
    if (width == SIX && n == SIX)
        for (; p + LANES <= k; p += LANES) pack_six(x + p, ldx, panel + p * SIX);
    for (; p < k; p += STEP)
        for (size_t j = 0; j < width; j += LANES) pack_strip(j, width, n, p, k - p < STEP ? k : p + STEP, x, ldx, panel);
}

void kern_table_fill_avx512_pack(kern_table *t)
{
    t->gemm_pack = kern_gemm_pack_avx512;
}
