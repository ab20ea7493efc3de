/* Operands laid out anew: packing into the panels of the matrix product, and transposing. Both go by blocks of 16 x 16,
 * transposed in registers. Contracts: kernels.h. */
#include "kernels/body/body.h"
#include "kernels/body/sum.h"

/* Panels of six, A's on x86, have a block of their own: one of 16 would be mostly padding. STEP columns of 16 rows at a
 * time: streams that hardware fetches ahead. */
enum { SIX = 6, STEP = 256 };

/* Columns [p, end) of rows [j, j + 16) of the panel. */
static void pack_strip(size_t j, size_t width, size_t n, size_t p, size_t end, const float *x, size_t ldx, float *panel)
{
    const size_t kept = width - j < LANES ? width - j : LANES, rows = j >= n ? 0 : n - j < kept ? n - j : kept;
    for (; rows == LANES && p + LANES <= end; p += LANES)
        block16_transpose(x + j * ldx + p, ldx, panel + p * width + j, width);
    for (; p < end; p += LANES)
        block16_transpose_part(rows, end - p < LANES ? end - p : LANES, kept, rows > 0 ? x + j * ldx + p : x, ldx,
                               panel + p * width + j, width);
}

static void kern_gemm_pack(size_t width, size_t n, size_t k, const float *x, size_t ldx, float *panel)
{
    size_t p = 0;
    if (width == SIX && n == SIX)
        for (; p + LANES <= k; p += LANES) block16_interleave6(x + p, ldx, panel + p * SIX);
    for (; p < k; p += STEP)
        for (size_t j = 0; j < width; j += LANES) pack_strip(j, width, n, p, k - p < STEP ? k : p + STEP, x, ldx, panel);
}

static void kern_transpose_f32(size_t rows, size_t cols, const float *x, size_t ldx, float *y, size_t ldy)
{
    for (size_t j = 0; j < cols; j += LANES) {
        const size_t columns = cols - j < LANES ? cols - j : LANES;
        const float *xj = x + j;
        float *yj = y + j * ldy;
        size_t i = 0;
        if (columns == LANES)
            for (; i + LANES <= rows; i += LANES) block16_transpose(xj + i * ldx, ldx, yj + i, ldy);
        for (; i < rows; i += LANES) {
            const size_t n = rows - i < LANES ? rows - i : LANES;
            block16_transpose_part(n, columns, n, xj + i * ldx, ldx, yj + i, ldy);
        }
    }
}

void kern_fill_layout(kern_table *t)
{
    t->gemm_pack = kern_gemm_pack;
    t->transpose_f32 = kern_transpose_f32;
}
