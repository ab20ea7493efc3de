/* The blocked driver. A task computes a block of rows and columns of C over the whole depth:
 *
 *   for each kc-deep slice:     lay B's panels of the block out, unless it was packed once
 *     for each mc rows:         copy these rows of A to compact scratch (unless they overlap: then read in place)
 *       for each panel of B:    kc x nr floats of it stay close
 *         for each mr rows:     micro-kernel, continuing the sums that lie in C; epilogue after the last slice
 *
 * The copy serves caches and TLB: rows of A that are a large power of two apart would compete for the same few sets.
 * With a packed B, tasks split the rows first; else the columns, because every task lays out its own columns of B. */
#include "engine/gemm.h"

#include <stdint.h>
#include <string.h>

enum { ROW_PAD = 16, LOOSE_PANELS = 8, TASKS_A_THREAD = 2 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* A product, and where its blocks go. */
typedef struct product {
    const kern_table *k;
    size_t m;
    eng_left a;
    eng_right b;
    float *c;
    size_t ldc;
    bool accumulate;
    eng_epilogue e;
} product;

/* A block of C, and scratch for its operands; NULL where they are read in place. */
typedef struct product_block {
    size_t i0, i1, j0, j1, rows; /* rows: of A laid out at a time */
    float *a, *b;
} product_block;

/* The next panel of W is fetched while this one is used, a share by each of the tiles: W comes from memory or L3, and the
 * first tile of a panel would wait for it. */
static kern_ahead next_panel(const float *next, size_t depth, size_t tile, size_t tiles, size_t row_bytes)
{
    size_t step = ceil_div(row_bytes, tiles);
    return (kern_ahead){(const void *)((uintptr_t)next + tile * depth * step), step};
}

/* B's columns j0..j1 of the slice, as panels [depth][nr]. */
static void lay_out_right(const product *p, const product_block *t, size_t p0, size_t depth)
{
    size_t nr = p->k->gemm_blocks.nr;
    for (size_t j = t->j0; j < t->j1; j += nr) {
        float *panel = t->b + (j - t->j0) * depth;
        size_t n = min_size(nr, t->j1 - j);
        if (p->b.transposed) {
            p->k->gemm_pack(nr, n, depth, p->b.data + j * p->b.ld + p0, p->b.ld, panel);
            continue;
        }
        for (size_t i = 0; i < depth; i++) {
            memcpy(panel + i * nr, p->b.data + (p0 + i) * p->b.ld + j, n * sizeof *panel);
            memset(panel + i * nr + n, 0, (nr - n) * sizeof *panel);
        }
    }
}

/* Rows i0.. of the slice of A, compact. */
static void lay_out_left(const product *p, float *out, size_t i0, size_t rows, size_t p0, size_t depth)
{
    size_t ld = p->k->gemm_blocks.kc + ROW_PAD;
    if (p->a.transposed) {
        p->k->transpose_f32(depth, rows, p->a.data + p0 * p->a.ld + i0, p->a.ld, out, ld);
        return;
    }
    for (size_t i = 0; i < rows; i++) memcpy(out + i * ld, p->a.data + (i0 + i) * p->a.ld + p0, depth * sizeof *out);
}

/* Rows i0..i0+rows of the block, one slice. */
static void product_rows(const product *p, const product_block *t, size_t i0, size_t rows, size_t p0, size_t depth)
{
    const kern_gemm_blocks b = p->k->gemm_blocks;
    const eng_epilogue *e = &p->e;
    bool last = p0 + depth == p->b.k, finish = last && (e->bias || e->act != KERN_ACT_NONE || e->residual);
    const float *a = t->a ? t->a : p->a.data + i0 * p->a.ld + p0;
    size_t lda = t->a ? b.kc + ROW_PAD : p->a.ld, tiles = ceil_div(rows, b.mr);
    for (size_t j = t->j0; j < t->j1; j += b.nr) {
        const float *panel = t->b ? t->b + (j - t->j0) * depth : p->b.packed->panels + j * p->b.k + p0 * b.nr;
        /* After the last panel comes the first one of the next slice. */
        const float *next = t->b            ? panel + b.nr * depth
                            : j + b.nr < t->j1 ? panel + b.nr * p->b.k
                                            : p->b.packed->panels + t->j0 * p->b.k + (p0 + depth) * b.nr;
        size_t n = min_size(b.nr, t->j1 - j);
        for (size_t i = 0; i < rows; i += b.mr) {
            size_t m = min_size(b.mr, rows - i);
            float *tile = p->c + (i0 + i) * p->ldc + j;
            kern_ahead ahead = next_panel(next, depth, i / b.mr, tiles, b.nr * sizeof *next);
            p->k->gemm_f32(m, n, depth, a + i * lda, lda, panel, b.nr, tile, p->ldc, p->accumulate || p0 > 0, &ahead);
            if (finish)
                p->k->epilogue_f32(m, n, tile, p->ldc, e->bias ? e->bias + j : NULL, e->act,
                                   e->residual ? e->residual + (i0 + i) * e->ldr + j : NULL, e->ldr);
        }
    }
}

/* One task. Returns false when out of memory. */
static bool run_block(const product *p, eng_arena *scratch, product_block t)
{
    const kern_gemm_blocks b = p->k->gemm_blocks;
    eng_arena_mark mark = eng_arena_save(scratch);
    bool copy = p->a.transposed || p->a.ld >= p->b.k, loose = !p->b.packed;
    t.rows = min_size(t.rows, t.i1 - t.i0);
    if (copy) t.a = eng_arena_alloc(scratch, t.rows * (b.kc + ROW_PAD), sizeof *t.a);
    if (loose) t.b = eng_arena_alloc(scratch, ceil_div(t.j1 - t.j0, b.nr) * b.nr * min_size(b.kc, p->b.k), sizeof *t.b);
    if ((copy && !t.a) || (loose && !t.b)) return false;
    for (size_t p0 = 0; p0 == 0 || p0 < p->b.k; p0 += b.kc) {
        size_t depth = min_size(b.kc, p->b.k - p0);
        if (loose) lay_out_right(p, &t, p0, depth);
        for (size_t i = t.i0; i < t.i1; i += t.rows) {
            size_t rows = min_size(t.rows, t.i1 - i);
            if (copy) lay_out_left(p, t.a, i, rows, p0, depth);
            product_rows(p, &t, i, rows, p0, depth);
        }
    }
    eng_arena_rewind(scratch, mark);
    return true;
}

/* How many rows are laid out at a time: m split evenly in blocks of at most mc, each a multiple of mr; more blocks when
 * more tasks are wanted, as long as a block has some tiles to spread the fetching of W over, and equally many for each
 * thread. */
static size_t block_rows(kern_gemm_blocks b, size_t m, size_t tasks, size_t threads)
{
    enum { LEAST_TILES = 5 };
    size_t blocks = ceil_div(m, b.mc), most = ceil_div(m, LEAST_TILES * b.mr);
    if (blocks < tasks) blocks = min_size(tasks, most);
    if (blocks > threads) blocks = blocks / threads * threads; /* the same number for each */
    return ceil_div(ceil_div(m, blocks), b.mr) * b.mr;
}

bool eng_product_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                        bool accumulate, const eng_epilogue *e)
{
    if (m == 0 || b.n == 0) return true;
    product p = {k, m, a, b, c, ldc, accumulate, e ? *e : (eng_epilogue){0}};
    product_block t = {.i1 = m, .j1 = b.n, .rows = block_rows(k->gemm_blocks, m, 1, 1)};
    for (size_t i = 0; b.packed && i < m; i += t.rows) {
        t.i0 = i;
        t.i1 = min_size(i + t.rows, m);
        if (!run_block(&p, scratch, t)) return false;
    }
    if (b.packed) return true;
    size_t strip = LOOSE_PANELS * k->gemm_blocks.nr;
    for (size_t j = 0; j < b.n; j += strip) {
        t.j0 = j;
        t.j1 = min_size(j + strip, b.n);
        if (!run_block(&p, scratch, t)) return false;
    }
    return true;
}

typedef struct product_run {
    const product *p;
    eng_pool *pool;
    size_t rows, task_rows, columns, column_blocks;
    bool *failed; /* [threads] */
} product_run;

static void product_task(void *arg, size_t task, size_t worker)
{
    product_run *r = arg;
    size_t i = task / r->column_blocks * r->task_rows, j = task % r->column_blocks * r->columns;
    product_block t = {.i0 = i,
                       .i1 = min_size(i + r->task_rows, r->p->m),
                       .j0 = j,
                       .j1 = min_size(j + r->columns, r->p->b.n),
                       .rows = r->rows};
    if (!run_block(r->p, eng_pool_scratch(r->pool, worker), t)) r->failed[worker] = true;
}

/* Enough tasks to balance the threads; the split does not change any bit of the result. Packed: rows are split first,
 * because every block of columns copies its rows of A again. */
static void split(product_run *r, kern_gemm_blocks b, size_t threads)
{
    size_t m = r->p->m, n = r->p->b.n, panels = ceil_div(n, b.nr);
    if (r->p->b.packed) {
        r->task_rows = r->rows = block_rows(b, m, threads > 1 ? TASKS_A_THREAD * threads : 1, threads);
        r->column_blocks = ceil_div(n, b.nc);
    } else {
        r->rows = block_rows(b, m, 1, 1);
        r->column_blocks = ceil_div(panels, LOOSE_PANELS);
        bool few = threads > 1 && r->column_blocks < 2 * threads;
        r->task_rows = few ? r->rows : m;
    }
    while (threads > 1 && r->column_blocks * ceil_div(m, r->task_rows) < 2 * threads && r->column_blocks * 4 <= panels)
        r->column_blocks *= 2;
    r->columns = ceil_div(panels, r->column_blocks) * b.nr;
    r->column_blocks = ceil_div(n, r->columns);
}

void eng_product(eng_context *ctx, size_t m, eng_left a, eng_right b, float *c, size_t ldc, bool accumulate,
                 const eng_epilogue *e)
{
    if (!eng_good(ctx) || m == 0 || b.n == 0) return;
    size_t threads = eng_pool_threads(ctx->pool);
    eng_arena_mark mark = eng_arena_save(ctx->arena);
    bool *failed = eng_arena_alloc(ctx->arena, threads, sizeof *failed);
    if (!failed) {
        eng_out_of_memory(ctx, "a matrix product", threads);
        return;
    }
    memset(failed, 0, threads * sizeof *failed);
    product p = {&ctx->k, m, a, b, c, ldc, accumulate, e ? *e : (eng_epilogue){0}};
    product_run run = {.p = &p, .pool = ctx->pool, .failed = failed};
    split(&run, ctx->k.gemm_blocks, threads);
    eng_pool_run(ctx->pool, ceil_div(m, run.task_rows) * run.column_blocks, product_task, &run);
    for (size_t i = 0; i < threads; i++)
        if (failed[i])
            eng_out_of_memory(ctx, "a matrix product",
                              (run.rows + run.columns) * (ctx->k.gemm_blocks.kc + ROW_PAD) * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
}

static eng_right packed_right(const eng_packed *w)
{
    return (eng_right){.n = w->n, .k = w->k, .packed = w};
}

void eng_gemm(eng_context *ctx, size_t m, const float *a, size_t lda, const eng_packed *w, float *c, size_t ldc,
              const eng_epilogue *e)
{
    eng_product(ctx, m, (eng_left){a, lda, false}, packed_right(w), c, ldc, false, e);
}

bool eng_gemm_serial(const kern_table *k, eng_arena *scratch, size_t m, const float *a, size_t lda,
                     const eng_packed *w, float *c, size_t ldc, const eng_epilogue *e)
{
    return eng_product_serial(k, scratch, m, (eng_left){a, lda, false}, packed_right(w), c, ldc, false, e);
}
