/* GEMM micro-kernels of bf16 and of 8-bit integers on AMX: tiles of 16 rows of 64 bytes, and two instructions that
 * multiply them (Intel SDM, TDPBF16PS and TDPBUSD; 16 x 16 sums, 16 units of k at a time). Four sums, 32 x 32, take two
 * tiles of A and two of B a step: as few loads as eight tile registers allow. A call goes over 128 rows and 64 columns
 * in such squares: to configure the registers takes as long as a dozen multiplications. A panel of B is 64 wide, as
 * everywhere in this tier, and a tile of it is 16 of its rows; rows of A lie in runs of 16 units (kern_gemm_blocks.run),
 * so that a tile of it is 1 KB in one piece. A library of its own: few CPUs have AMX, and the system must be asked for it
 * (kern_cpu_probe). Contract: kernels.h. */
#include "kernels/tiers.h"
#include "kernels/vector/vector.h"

#include <string.h>

/* gcc's names, and those of older clang */
#if !(defined(__AMX_BF16__) && defined(__AMX_INT8__)) && !(defined(__AMXBF16__) && defined(__AMXINT8__)) &&\
    !defined(KERN_EMULATED_AMX)
#error "compile this file with the flags of the avx512 tier and of AMX"
#endif

enum { MR = 128, NR = 64, SIDE = 16, SQUARE = 2 * SIDE, TILE_BYTES = 64 };

/* 256 rows of A and 64 columns of B, 4 bytes a unit, take 512 and 128 KB of L2; those of 8-bit integers, whose depth is
 * not cut, up to 512 KB for 128 rows. */
static const kern_gemm_blocks blocks_bf16 = {.mr = MR, .nr = NR, .kc = 512, .mc = 2 * MR, .nc = 64 * NR, .run = SIDE};
static const kern_gemm_blocks blocks_i8 = {.mr = MR, .nr = NR, .kc = 512, .mc = MR, .nc = 64 * NR, .run = SIDE};

/* What a tile register holds. Sums: 0 1 / 2 3, rows down, columns across; A: 4 5; B: 6 7. The intrinsics want numbers. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* The intrinsics do not say that they read memory: what was written just before must be there. */
KERN_INLINE void written(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* All registers whole. One written just before it is loaded would be waited for. */
static const _Alignas(64) tile_config whole = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE},
};

/* m <= 32 rows and n <= 32 columns; a register that none of them reaches is left out. */
static void configure(size_t m, size_t n)
{
    if (m == SQUARE && n == SQUARE) {
        _tile_loadconfig(&whole);
        return;
    }
    const uint8_t rows[2] = {(uint8_t)(m < SIDE ? m : SIDE), (uint8_t)(m < SIDE ? 0 : m - SIDE)};
    const uint16_t bytes[2] = {(uint16_t)(4 * (n < SIDE ? n : SIDE)), (uint16_t)(n < SIDE ? 0 : 4 * (n - SIDE))};
    tile_config c = {.palette = 1};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 2; j++)
            if (rows[i] && bytes[j]) c.rows[2 * i + j] = rows[i], c.row_bytes[2 * i + j] = bytes[j];
        if (rows[i]) c.rows[4 + i] = rows[i], c.row_bytes[4 + i] = TILE_BYTES;
        if (bytes[i]) c.rows[6 + i] = SIDE, c.row_bytes[6 + i] = bytes[i];
    }
    written(&c);
    _tile_loadconfig(&c);
}

/* Which of the four sums there are: 1 or 2 tiles down and across. */
typedef struct tile_shape {
    bool below, beside;
} tile_shape;

/* What arrives while a square is computed: what the driver asks for, and the square's lines of C, which would else be
 * waited for one after the other when its sums are stored (their rows are often 4 KB apart). */
typedef struct fetching {
    uintptr_t start;
    size_t step;
    uintptr_t c, row;
} fetching;

/* Always inlined: gcc takes a function that only fetches for one without effect and drops calls of it. Behind the last
 * row are rows that nobody asked for; fetching them does nothing. */
KERN_INLINE void fetch(fetching *f)
{
    KERN_UNROLL
    for (int i = 0; i < 4; i++) _mm_prefetch((const char *)(f->start + 64 * (uintptr_t)i), _MM_HINT_T1);
    f->start += f->step;
    KERN_UNROLL
    for (int i = 0; i < 2; i++) {
        __builtin_prefetch((const void *)f->c, 1);
        __builtin_prefetch((const void *)(f->c + 64), 1);
        f->c += f->row;
    }
}

/* One step: the tiles of A at a (one run of its 32 rows) and those of B at b, its rows ldb units apart. */
#define STEP(multiply)                                                                     \
    do {                                                                                   \
        _tile_loadd(6, b, ldb * sizeof *b);                                                \
        _tile_loadd(4, a, TILE_BYTES);                                                     \
        multiply(0, 4, 6);                                                                 \
        if (shape.below) {                                                                 \
            _tile_loadd(5, a + SIDE * SIDE, TILE_BYTES);                                   \
            multiply(2, 5, 6);                                                             \
        }                                                                                  \
        if (shape.beside) {                                                                \
            _tile_loadd(7, b + SIDE, ldb * sizeof *b);                                     \
            multiply(1, 4, 7);                                                             \
            if (shape.below) multiply(3, 5, 7);                                            \
        }                                                                                  \
    } while (0)

/* k units of the panels at a and b. The rows of B behind a depth that is no multiple of 16 belong to the next panel:
 * zeros take their place. */
#define DEPTH(multiply)                                                                    \
    do {                                                                                   \
        size_t p = 0;                                                                      \
        for (; p + SIDE <= k; p += SIDE, a += MR * SIDE, b += SIDE * ldb) {                \
            fetch(ahead);                                                                  \
            STEP(multiply);                                                                \
        }                                                                                  \
        if (p < k) {                                                                       \
            uint32_t last[SIDE * SQUARE] = {0};                                            \
            for (size_t i = 0; i < k - p; i++)                                             \
                memcpy(last + i * SQUARE, b + i * ldb, (shape.beside ? SQUARE : SIDE) * 4);\
            written(last);                                                                 \
            b = last, ldb = SQUARE;                                                        \
            STEP(multiply);                                                                \
        }                                                                                  \
    } while (0)

KERN_INLINE void sum_bf16(tile_shape shape, size_t k, const uint32_t *a, const uint32_t *b, size_t ldb, fetching *ahead)
{
    DEPTH(_tile_dpbf16ps);
}

KERN_INLINE void sum_i8(tile_shape shape, size_t k, const uint32_t *a, const uint32_t *b, size_t ldb, fetching *ahead)
{
    DEPTH(_tile_dpbusd);
}

KERN_INLINE void clear(tile_shape shape)
{
    _tile_zero(0);
    if (shape.beside) _tile_zero(1);
    if (shape.below) _tile_zero(2);
    if (shape.below && shape.beside) _tile_zero(3);
}

KERN_INLINE void load(tile_shape shape, const float *c, size_t ldc)
{
    _tile_loadd(0, c, ldc * sizeof *c);
    if (shape.beside) _tile_loadd(1, c + SIDE, ldc * sizeof *c);
    if (shape.below) _tile_loadd(2, c + SIDE * ldc, ldc * sizeof *c);
    if (shape.below && shape.beside) _tile_loadd(3, c + SIDE * ldc + SIDE, ldc * sizeof *c);
}

KERN_INLINE void store(tile_shape shape, void *c, size_t row_bytes)
{
    char *to = c;
    _tile_stored(0, to, row_bytes);
    if (shape.beside) _tile_stored(1, to + TILE_BYTES, row_bytes);
    if (shape.below) _tile_stored(2, to + SIDE * row_bytes, row_bytes);
    if (shape.below && shape.beside) _tile_stored(3, to + SIDE * row_bytes + TILE_BYTES, row_bytes);
}

/* Where a call is: the square of up to 32 rows from i and 32 columns from j on. */
typedef struct square {
    size_t i, j, rows, columns;
    tile_shape shape;
} square;

static inline square square_at(size_t m, size_t n, size_t i, size_t j)
{
    const size_t rows = m - i < SQUARE ? m - i : SQUARE, columns = n - j < SQUARE ? n - j : SQUARE;
    return (square){i, j, rows, columns, {rows > SIDE, columns > SIDE}};
}

/* Registers for a square, unless those of the one before, at the same time, do. */
static inline void configure_for(square s, size_t *rows, size_t *columns)
{
    if (s.rows == *rows && s.columns == *columns) return;
    configure(s.rows, s.columns);
    *rows = s.rows, *columns = s.columns;
}

/* What the driver asks for is spread over all steps of all squares. */
static fetching begin_fetching(const kern_ahead *ahead, const void *otherwise, size_t m, size_t n)
{
    fetching f = {(uintptr_t)otherwise, 0, 0, 0};
    const size_t squares = ((m + SQUARE - 1) / SQUARE) * ((n + SQUARE - 1) / SQUARE);
    if (ahead == NULL) return f;
    f.start = (uintptr_t)ahead->start;
    f.step = (SIDE / 4 * ahead->step / squares + 63) / 64 * 64;
    return f;
}

static inline void fetch_square(fetching *f, square s, const float *c, size_t ldc)
{
    f->c = (uintptr_t)(c + s.i * ldc + s.j);
    f->row = ldc * sizeof *c;
}

static void kern_gemm_bf16_amx(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b,
                               size_t ldb, float *c, size_t ldc, bool accumulate, const kern_ahead *ahead)
{
    (void)lda; /* MR */
    if (m == 0 || n == 0) return;
    fetching next = begin_fetching(ahead, b, m, n);
    size_t rows = 0, columns = 0;
    for (size_t i = 0; i < m; i += SQUARE)
        for (size_t j = 0; j < n; j += SQUARE) {
            const square s = square_at(m, n, i, j);
            float *to = c + i * ldc + j;
            fetch_square(&next, s, c, ldc);
            configure_for(s, &rows, &columns);
            if (accumulate)
                load(s.shape, to, ldc);
            else
                clear(s.shape);
            if (s.shape.below && s.shape.beside)
                sum_bf16((tile_shape){true, true}, k, a + i * SIDE, b + j, ldb, &next);
            else
                sum_bf16(s.shape, k, a + i * SIDE, b + j, ldb, &next);
            store(s.shape, to, ldc * sizeof *c);
        }
    _tile_release();
}

/* n <= 32 columns of sums to C. */
static void scale(size_t m, size_t n, const int32_t *sums, const int32_t *correction, const float *row_scale,
                  const float *column_scale, float *c, size_t ldc)
{
    for (size_t j = 0; j < n; j += SIDE) {
        const __mmask16 lanes = mask16_first(n - j);
        const __m512i added = _mm512_maskz_loadu_epi32(lanes, correction + j);
        const __m512 columns = _mm512_maskz_loadu_ps(lanes, column_scale + j);
        for (size_t i = 0; i < m; i++) {
            const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_load_si512(sums + i * SQUARE + j), added));
            _mm512_mask_storeu_ps(c + i * ldc + j, lanes,
                                  _mm512_mul_ps(sum, _mm512_mul_ps(_mm512_set1_ps(row_scale[i]), columns)));
        }
    }
}

static void kern_gemm_i8_amx(size_t m, size_t n, size_t k, const uint32_t *a, size_t lda, const uint32_t *b, size_t ldb,
                             const int32_t *correction, const float *row_scale, const float *column_scale, float *c,
                             size_t ldc, const kern_ahead *ahead)
{
    (void)lda; /* MR */
    if (m == 0 || n == 0) return;
    _Alignas(64) int32_t sums[SQUARE * SQUARE];
    fetching next = begin_fetching(ahead, b, m, n);
    size_t rows = 0, columns = 0;
    for (size_t i = 0; i < m; i += SQUARE)
        for (size_t j = 0; j < n; j += SQUARE) {
            const square s = square_at(m, n, i, j);
            fetch_square(&next, s, c, ldc);
            configure_for(s, &rows, &columns);
            clear(s.shape);
            if (s.shape.below && s.shape.beside)
                sum_i8((tile_shape){true, true}, k, a + i * SIDE, b + j, ldb, &next);
            else
                sum_i8(s.shape, k, a + i * SIDE, b + j, ldb, &next);
            store(s.shape, sums, SQUARE * sizeof *sums);
            scale(s.rows, s.columns, sums, correction + j, row_scale + i, column_scale + j, c + i * ldc + j, ldc);
        }
    _tile_release();
}

void kern_fill_avx512_amx(kern_table *t)
{
    t->bf16_is_fast = true;
    t->bf16_blocks = blocks_bf16;
    t->i8_blocks = blocks_i8;
    t->gemm_bf16 = kern_gemm_bf16_amx;
    t->gemm_i8 = kern_gemm_i8_amx;
}
