/* The blocked driver. A task computes a block of rows and columns of C over the whole depth:
 *
 *   for each kc-deep slice:   copy the block's rows of A to compact scratch (unless they overlap: then read in place)
 *     for each panel of W:    kc x nr floats of it stay in L1
 *       for each mr rows:     micro-kernel, continuing the sums that lie in C; epilogue after the last slice
 *
 * The copy serves caches and TLB: rows of A that are a large power of two apart would compete for the same few sets. */
#include "engine/gemm.h"

#include <stdint.h>
#include <string.h>

enum { SMALL_BYTES = 1 << 20, ROW_PAD = 16 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

eng_status eng_packed_new(const kern_table *k, size_t n, size_t depth, eng_packed *out, eng_error *err)
{
    size_t nr = k->gemm_blocks_f32.nr, bytes;
    *out = (eng_packed){.n = n, .k = depth, .nr = nr};
    if (!eng_mul_size(ceil_div(n, nr) * nr, depth, &bytes) || !eng_mul_size(bytes, sizeof(float), &bytes))
        return eng_fail(err, ENG_E_MEMORY, "a weight of %zu x %zu is too large", n, depth);
    out->bytes = bytes;
    out->panels = bytes < SMALL_BYTES ? eng_alloc(bytes, 1) : eng_alloc_pages(bytes);
    if (!out->panels) return eng_fail(err, ENG_E_MEMORY, "out of memory for a weight of %zu x %zu", n, depth);
    return ENG_OK;
}

void eng_packed_free(eng_packed *p)
{
    if (p->bytes < SMALL_BYTES) eng_free(p->panels);
    else eng_free_pages(p->panels, p->bytes);
    *p = (eng_packed){0};
}

void eng_packed_fill(const kern_table *k, eng_packed *p, size_t first, size_t count, const float *w, size_t ldw)
{
    ENG_CHECK(first % p->nr == 0 && first + count <= p->n && (count % p->nr == 0 || first + count == p->n),
              "rows %zu + %zu of %zu, panels of %zu", first, count, p->n, p->nr);
    for (size_t j = 0; j < count; j += p->nr)
        k->gemm_pack_f32(min_size(p->nr, count - j), p->k, w + j * ldw, ldw, p->panels + (first + j) * p->k);
}

/* The next panel of W is fetched while this one is used, a share by each of the tiles: W comes from memory or L3, and the
 * first tile of a panel would wait for it. */
static kern_ahead next_panel(const float *next, size_t depth, size_t tile, size_t tiles, size_t row_bytes)
{
    size_t step = ceil_div(row_bytes, tiles);
    return (kern_ahead){(const void *)((uintptr_t)next + tile * depth * step), step};
}

/* One task: C[rows, columns j0..j1) over the whole depth. j0 is a multiple of nr. pack holds rows x (kc + ROW_PAD) floats,
 * or is NULL to read A in place. */
static void gemm_block(const kern_table *k, float *pack, size_t rows, size_t j0, size_t j1, const float *a, size_t lda,
                       const eng_packed *w, float *c, size_t ldc, const eng_epilogue *e)
{
    const kern_gemm_blocks b = k->gemm_blocks_f32;
    for (size_t p0 = 0; p0 == 0 || p0 < w->k; p0 += b.kc) {
        size_t depth = min_size(b.kc, w->k - p0);
        bool last = p0 + depth == w->k;
        const float *block = a + p0;
        size_t ldb = lda;
        if (pack) {
            ldb = b.kc + ROW_PAD;
            for (size_t i = 0; i < rows; i++) memcpy(pack + i * ldb, block + i * lda, depth * sizeof *pack);
            block = pack;
        }
        for (size_t j = j0; j < j1; j += b.nr) {
            const float *panel = w->panels + j * w->k + p0 * b.nr;
            /* After the last panel comes the first one of the next slice. */
            const float *next = j + b.nr < j1 ? panel + b.nr * w->k : w->panels + j0 * w->k + (p0 + depth) * b.nr;
            size_t n = min_size(b.nr, j1 - j);
            for (size_t i = 0; i < rows; i += b.mr) {
                size_t m = min_size(b.mr, rows - i);
                float *tile = c + i * ldc + j;
                kern_ahead ahead = next_panel(next, depth, i / b.mr, ceil_div(rows, b.mr), b.nr * sizeof *next);
                k->gemm_f32(m, n, depth, block + i * ldb, ldb, panel, b.nr, tile, ldc, p0 > 0, &ahead);
                if (last && (e->bias || e->act != KERN_ACT_NONE || e->residual))
                    k->epilogue_f32(m, n, tile, ldc, e->bias ? e->bias + j : NULL, e->act,
                                    e->residual ? e->residual + i * e->ldr + j : NULL, e->ldr);
            }
        }
    }
}

/* How many rows a block has: m split evenly in blocks of at most mc, each a multiple of mr; more blocks when more tasks
 * are wanted, as long as a block has some tiles to spread the fetching of W over. */
static size_t block_rows(kern_gemm_blocks b, size_t m, size_t tasks)
{
    enum { LEAST_TILES = 5 };
    size_t blocks = ceil_div(m, b.mc), most = ceil_div(m, LEAST_TILES * b.mr);
    if (blocks < tasks) blocks = min_size(tasks, most);
    return ceil_div(ceil_div(m, blocks), b.mr) * b.mr;
}

static bool needs_pack(const eng_packed *w, size_t lda)
{
    return lda >= w->k;
}

static bool block_on_scratch(const kern_table *k, eng_arena *scratch, size_t rows, size_t j0, size_t j1, const float *a,
                             size_t lda, const eng_packed *w, float *c, size_t ldc, const eng_epilogue *e)
{
    eng_arena_mark mark = eng_arena_save(scratch);
    float *pack = NULL;
    if (needs_pack(w, lda)) {
        pack = eng_arena_alloc(scratch, rows * (k->gemm_blocks_f32.kc + ROW_PAD), sizeof *pack);
        if (!pack) return false;
    }
    gemm_block(k, pack, rows, j0, j1, a, lda, w, c, ldc, e);
    eng_arena_rewind(scratch, mark);
    return true;
}

static eng_epilogue epilogue_rows(const eng_epilogue *e, size_t first)
{
    eng_epilogue moved = *e;
    if (moved.residual) moved.residual += first * moved.ldr;
    return moved;
}

bool eng_gemm_serial(const kern_table *k, eng_arena *scratch, size_t m, const float *a, size_t lda,
                     const eng_packed *w, float *c, size_t ldc, const eng_epilogue *e)
{
    if (m == 0 || w->n == 0) return true;
    size_t rows = block_rows(k->gemm_blocks_f32, m, 1);
    for (size_t i = 0; i < m; i += rows) {
        eng_epilogue moved = epilogue_rows(e, i);
        if (!block_on_scratch(k, scratch, min_size(rows, m - i), 0, w->n, a + i * lda, lda, w, c + i * ldc, ldc, &moved))
            return false;
    }
    return true;
}

typedef struct gemm_run {
    eng_context *ctx;
    size_t m, rows, columns, column_blocks;
    const float *a;
    size_t lda;
    const eng_packed *w;
    float *c;
    size_t ldc;
    const eng_epilogue *e;
    bool *failed; /* [threads] */
} gemm_run;

static void gemm_task(void *arg, size_t task, size_t worker)
{
    gemm_run *r = arg;
    size_t i = task / r->column_blocks * r->rows, j = task % r->column_blocks * r->columns;
    eng_epilogue moved = epilogue_rows(r->e, i);
    if (!block_on_scratch(&r->ctx->k, eng_pool_scratch(r->ctx->pool, worker), min_size(r->rows, r->m - i), j,
                          min_size(j + r->columns, r->w->n), r->a + i * r->lda, r->lda, r->w, r->c + i * r->ldc, r->ldc,
                          &moved))
        r->failed[worker] = true;
}

void eng_gemm(eng_context *ctx, size_t m, const float *a, size_t lda, const eng_packed *w, float *c, size_t ldc,
              const eng_epilogue *e)
{
    if (!eng_good(ctx) || m == 0 || w->n == 0) return;
    kern_gemm_blocks b = ctx->k.gemm_blocks_f32;
    size_t threads = eng_pool_threads(ctx->pool);
    size_t rows = block_rows(b, m, threads > 1 ? 4 * threads : 1);
    size_t panels = ceil_div(w->n, b.nr);
    size_t column_blocks = ceil_div(w->n, b.nc);
    /* Enough tasks to balance the threads; the split does not change any bit of the result. Rows are split first, because
     * every block of columns copies its rows of A again. */
    while (threads > 1 && column_blocks * ceil_div(m, rows) < 2 * threads && column_blocks * 4 <= panels)
        column_blocks *= 2;
    size_t columns = ceil_div(panels, column_blocks) * b.nr;
    column_blocks = ceil_div(w->n, columns);

    eng_arena_mark mark = eng_arena_save(ctx->arena);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!failed) {
        eng_out_of_memory(ctx, "a matrix product", threads);
        return;
    }
    memset(failed, 0, threads * sizeof *failed);
    gemm_run run = {ctx, m, rows, columns, column_blocks, a, lda, w, c, ldc, e, failed};
    eng_pool_run(ctx->pool, ceil_div(m, rows) * column_blocks, gemm_task, &run);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "a matrix product", rows * (b.kc + ROW_PAD) * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
}
