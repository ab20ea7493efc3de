/* The blocked driver. A task computes a block of rows and columns of C over the whole depth:
 *
 *   for each slice of depth kc:
 *     for each mc rows:         lay these rows of A out as panels (unless they are few and overlap: then read in place)
 *       for each panel of B:    (bf16 that has to be widened is widened here)
 *         for each mr rows:     micro-kernel, continuing the sums that lie in C; epilogue after the last slice
 *
 * Panels of A serve caches and TLB, and the micro-kernel, which then has one stream to read. int8 sums over the whole
 * depth at once. Tasks split the rows first, because every block of columns lays its rows of A out again. A right operand
 * that is not packed is packed first, once for all tasks. */
#include "engine/gemm/gemm.h"

#include <stdint.h>
#include <string.h>

#include "engine/gemm/parts.h"

enum { TASKS_A_THREAD = 2, IN_PLACE_PANELS = 2 };

/* A block of C, and scratch for its operands; NULL where they are read in place. */
typedef struct product_block {
    size_t i0, i1, j0, j1, rows; /* rows: of A laid out at a time */
    uint32_t *a;                 /* panels of A */
    uint32_t *b;                 /* the panel [depth][nr] that is widened */
    float *row_scale;            /* int8: [rows] */
    void *scratch;
} product_block;

static eng_product_plan plan(const kern_table *k, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                             bool accumulate, const eng_epilogue *e)
{
    eng_product_plan p = {.k = k, .m = m, .a = a, .b = b, .c = c, .ldc = ldc, .accumulate = accumulate};
    if (e) p.e = *e;
    p.precision = b.packed->precision;
    ENG_CHECK(p.precision != ENG_INT8 || (!a.transposed && !accumulate), "product of int8: transposed %d, accumulate %d",
              a.transposed, accumulate);
    p.widened = p.precision == ENG_BF16 && !k->bf16_is_fast;
    p.blocks = p.precision == ENG_F32 || p.widened ? &k->gemm_blocks
               : p.precision == ENG_BF16           ? &k->bf16_blocks
                                                   : &k->i8_blocks;
    p.group = p.widened ? 1 : eng_precision_group(p.precision);
    p.units = eng_ceil_div(b.k, p.group);
    p.kc = p.precision == ENG_INT8 && p.units > 0 ? p.units : p.blocks->kc;
    return p;
}

/* Rows that overlap are read in place where few panels of B would not pay for laying them out. */
static bool lays_out_left(const eng_product_plan *p, size_t columns)
{
    return p->precision != ENG_F32 || p->a.transposed || p->a.ld >= p->b.k ||
           columns > IN_PLACE_PANELS * p->blocks->nr;
}

/* The next panel of W is fetched while this one is used, a share by each of the tiles: W comes from memory or L3, and
 * the first tile of a panel would wait for it. */
static kern_ahead next_panel(const void *next, size_t depth, size_t tile, size_t tiles, size_t unit_bytes)
{
    size_t step = eng_ceil_div(4 * unit_bytes, tiles);
    return (kern_ahead){(const void *)((uintptr_t)next + tile * (depth / 4) * step), step};
}

/* Where the panel of columns j.. is, for the slice, and the one to be used after it. */
static const uint32_t *panel_at(const eng_product_plan *p, const product_block *t, size_t j, size_t p0, size_t depth,
                                const void **next)
{
    size_t nr = p->blocks->nr;
    const eng_packed *w = p->b.packed;
    size_t narrow = p->widened ? 2 : 1; /* packed units a unit of what is multiplied: 1 / narrow */
    bool more = j + nr < t->j1;
    *next = w->panels + (more ? (j + nr) * w->units + p0 / narrow * nr : t->j0 * w->units + (p0 + depth) / narrow * nr);
    if (!p->widened) return w->panels + j * w->units + p0 * nr;
    eng_layout_widened(p, j, p0, depth, (float *)t->b);
    return t->b;
}

/* Rows i0..i0+rows of the block, one slice. */
static void product_rows(const eng_product_plan *p, const product_block *t, size_t i0, size_t rows, size_t p0,
                         size_t depth)
{
    const kern_table *k = p->k;
    const kern_gemm_blocks b = *p->blocks;
    const eng_epilogue *e = &p->e;
    const eng_packed *w = p->b.packed;
    bool last = p0 + depth == p->units, finish = last && (e->bias || e->act != KERN_ACT_NONE || e->residual);
    bool accumulate = p->accumulate || p0 > 0;
    size_t tiles = eng_ceil_div(rows, b.mr), unit_bytes = b.nr * sizeof(uint32_t) / (p->widened ? 2 : 1);
    for (size_t j = t->j0; j < t->j1; j += b.nr) {
        const void *next;
        const uint32_t *panel = panel_at(p, t, j, p0, depth, &next);
        size_t n = eng_min(b.nr, t->j1 - j);
        for (size_t i = 0; i < rows; i += b.mr) {
            size_t m = eng_min(b.mr, rows - i);
            float *tile = p->c + (i0 + i) * p->ldc + j;
            const uint32_t *a = t->a + i * eng_left_depth(p, depth);
            kern_ahead ahead = next_panel(next, depth, i / b.mr, tiles, unit_bytes);
            if (!t->a)
                k->gemm_f32(m, n, depth, p->a.data + (i0 + i) * p->a.ld + p0, p->a.ld, (const float *)panel, b.nr, tile,
                            p->ldc, accumulate, &ahead);
            else if (p->precision == ENG_INT8)
                k->gemm_i8(m, n, depth, a, b.mr, panel, b.nr, w->correction + j, t->row_scale + i, w->scale + j, tile,
                           p->ldc, &ahead);
            else if (p->precision == ENG_BF16 && !p->widened)
                k->gemm_bf16(m, n, depth, a, b.mr, panel, b.nr, tile, p->ldc, accumulate, &ahead);
            else
                k->gemm_f32(m, n, depth, (const float *)a, KERN_PANEL, (const float *)panel, b.nr, tile, p->ldc,
                            accumulate, &ahead);
            if (finish)
                k->epilogue_f32(m, n, tile, p->ldc, e->bias ? e->bias + j : NULL, e->act,
                                e->residual ? e->residual + (i0 + i) * e->ldr + j : NULL, e->ldr);
        }
    }
}

/* Scratch for a block. Returns false when out of memory. */
static bool new_block(const eng_product_plan *p, eng_arena *scratch, product_block *t)
{
    const kern_gemm_blocks b = *p->blocks;
    size_t depth = eng_min(p->kc, p->units);
    bool left = lays_out_left(p, t->j1 - t->j0), right = p->widened, scaled = p->precision == ENG_INT8;
    t->rows = eng_min(t->rows, t->i1 - t->i0);
    if (left) t->a = eng_arena_alloc(scratch, eng_ceil_div(t->rows, b.mr) * b.mr * eng_left_depth(p, depth), sizeof *t->a);
    if (right) t->b = eng_arena_alloc(scratch, b.nr * depth, sizeof *t->b);
    if (scaled) t->row_scale = eng_arena_alloc(scratch, t->rows, sizeof *t->row_scale);
    t->scratch = eng_arena_alloc(scratch, eng_layout_scratch(p, depth) + t->rows, sizeof(float));
    return t->scratch && (!left || t->a) && (!right || t->b) && (!scaled || t->row_scale);
}

/* One task. Returns false when out of memory. */
static bool run_block(const eng_product_plan *p, eng_arena *scratch, product_block t)
{
    eng_arena_mark mark = eng_arena_save(scratch);
    if (!new_block(p, scratch, &t)) return false;
    for (size_t p0 = 0; p0 == 0 || p0 < p->units; p0 += p->kc) {
        size_t depth = eng_min(p->kc, p->units - p0);
        for (size_t i = t.i0; i < t.i1; i += t.rows) {
            size_t rows = eng_min(t.rows, t.i1 - i);
            if (t.a) eng_layout_left(p, i, rows, p0, depth, t.scratch, t.a, t.row_scale);
            product_rows(p, &t, i, rows, p0, depth);
        }
    }
    eng_arena_rewind(scratch, mark);
    return true;
}

/* How many rows are laid out at a time: m split evenly in blocks of about mc. More blocks when more tasks are wanted, as long
 * as a block has some tiles to spread the fetching of W over; of large tiles two, unless the panels of W are too few to split
 * instead. Equally many for each thread. */
static size_t block_rows(kern_gemm_blocks b, size_t m, size_t panels, size_t tasks, size_t threads)
{
    enum { LEAST_ROWS = 64, LEAST_STEP = 32 };
    size_t step = b.mr <= LEAST_ROWS ? b.mr : LEAST_STEP, least = LEAST_ROWS;
    if (2 * b.mr > least && eng_ceil_div(m, 2 * b.mr) * eng_ceil_div(panels, 2) >= tasks) least = 2 * b.mr;
    size_t blocks = eng_ceil_div(m, b.mc), most = eng_ceil_div(m, least);
    if (blocks < tasks) blocks = blocks > most ? blocks : eng_min(tasks, most);
    if (blocks > threads) blocks = blocks / threads * threads; /* the same number for each */
    return eng_ceil_div(eng_ceil_div(m, blocks), step) * step;
}

static bool packed_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                          bool accumulate, const eng_epilogue *e)
{
    eng_product_plan p = plan(k, m, a, b, c, ldc, accumulate, e);
    product_block t = {.j1 = b.n, .rows = block_rows(*p.blocks, m, 1, 1, 1)};
    for (size_t i = 0; i < m; i += t.rows) {
        t.i0 = i;
        t.i1 = eng_min(i + t.rows, m);
        if (!run_block(&p, scratch, t)) return false;
    }
    return true;
}

typedef struct product_run {
    const eng_product_plan *p;
    eng_pool *pool;
    size_t rows, columns, column_blocks;
    bool *failed; /* [threads] */
} product_run;

static void product_task(void *arg, size_t task, size_t worker)
{
    product_run *r = arg;
    size_t i = task / r->column_blocks * r->rows, j = task % r->column_blocks * r->columns;
    product_block t = {.i0 = i,
                       .i1 = eng_min(i + r->rows, r->p->m),
                       .j0 = j,
                       .j1 = eng_min(j + r->columns, r->p->b.n),
                       .rows = r->rows};
    if (!run_block(r->p, eng_pool_scratch(r->pool, worker), t)) r->failed[worker] = true;
}

/* Enough tasks to balance the threads; the split does not change any bit of the result. */
static void split(product_run *r, size_t threads)
{
    const kern_gemm_blocks b = *r->p->blocks;
    size_t m = r->p->m, n = r->p->b.n, panels = eng_ceil_div(n, b.nr),
           tasks = threads > 1 ? TASKS_A_THREAD * threads : 1;
    r->rows = block_rows(b, m, panels, tasks, threads);
    r->column_blocks = eng_ceil_div(n, b.nc);
    while (threads > 1 && r->column_blocks * eng_ceil_div(m, r->rows) < tasks && r->column_blocks * 4 <= panels)
        r->column_blocks *= 2;
    r->columns = eng_ceil_div(panels, r->column_blocks) * b.nr;
    r->column_blocks = eng_ceil_div(n, r->columns);
}

static void packed_product(eng_context *ctx, size_t m, eng_left a, eng_right b, float *c, size_t ldc, bool accumulate,
                           const eng_epilogue *e, bool *failed)
{
    eng_product_plan p = plan(&ctx->k, m, a, b, c, ldc, accumulate, e);
    product_run run = {.p = &p, .pool = ctx->pool, .failed = failed};
    split(&run, eng_pool_threads(ctx->pool));
    eng_pool_run(ctx->pool, eng_ceil_div(m, run.rows) * run.column_blocks, product_task, &run);
}

/* ---- A right operand as it lies ---- */

/* Slices of its depth, and with one thread of its columns, are packed and multiplied one after the other: what is packed
 * then has a bound. Each slice continues the sums of those before. */
enum { SLICE_BLOCKS = 4, STRIP_PANELS = 16, PACKED_UNITS = 64 };

static eng_left left_from(eng_left a, size_t k0)
{
    a.data += a.transposed ? k0 * a.ld : k0;
    return a;
}

/* Columns [j0, j0 + n), elements [k0, k0 + depth) of its depth. */
static eng_right part_of(eng_right b, size_t j0, size_t n, size_t k0, size_t depth)
{
    b.data += b.transposed ? j0 * b.ld + k0 : k0 * b.ld + j0;
    b.n = n;
    b.k = depth;
    return b;
}

typedef struct packing {
    eng_product_plan p; /* how b lies and is laid out */
    uint32_t *panels;
    eng_pool *pool;
    bool *failed; /* [threads] */
} packing;

static packing packing_of(const kern_table *k, eng_right b, uint32_t *panels)
{
    ENG_CHECK(b.precision != ENG_INT8, "product of int8: not %s", "packed");
    size_t group = eng_precision_group(b.precision);
    return (packing){.p = {.k = k,
                           .blocks = b.precision == ENG_BF16 ? &k->bf16_blocks : &k->gemm_blocks,
                           .b = b,
                           .precision = b.precision,
                           .group = group,
                           .units = eng_ceil_div(b.k, group)},
                     .panels = panels};
}

/* Units [u0, u1) of all panels, some rows at a time, so that b is read about as it lies. */
static void pack_rows(const packing *g, size_t u0, size_t u1)
{
    enum { ROWS = 8 };
    const eng_product_plan *p = &g->p;
    size_t nr = p->blocks->nr;
    for (size_t u = u0; u < u1; u += ROWS)
        for (size_t j = 0; j < p->b.n; j += nr)
            eng_layout_right(p, j, eng_min(nr, p->b.n - j), u, eng_min(ROWS, u1 - u), NULL,
                             g->panels + j * p->units + u * nr);
}

/* The panel of column j, of a b that lies transposed. Returns false when out of memory. */
static bool pack_panel(const packing *g, eng_arena *scratch, size_t j)
{
    const eng_product_plan *p = &g->p;
    size_t nr = p->blocks->nr, step = p->blocks->kc;
    eng_arena_mark mark = eng_arena_save(scratch);
    void *units = eng_arena_alloc(scratch, eng_layout_scratch(p, eng_min(step, p->units)), sizeof(uint32_t));
    for (size_t u = 0; units && u < p->units; u += step)
        eng_layout_right(p, j, eng_min(nr, p->b.n - j), u, eng_min(step, p->units - u), units,
                         g->panels + j * p->units + u * nr);
    bool good = units;
    eng_arena_rewind(scratch, mark);
    return good;
}

static void packing_task(void *arg, size_t task, size_t worker)
{
    packing *g = arg;
    if (!g->p.b.transposed)
        pack_rows(g, task * PACKED_UNITS, eng_min((task + 1) * PACKED_UNITS, g->p.units));
    else if (!pack_panel(g, eng_pool_scratch(g->pool, worker), task * g->p.blocks->nr))
        g->failed[worker] = true;
}

static size_t panels_of(const packing *g)
{
    return eng_ceil_div(g->p.b.n, g->p.blocks->nr);
}

static eng_packed packed_from(const packing *g)
{
    return eng_packed_borrow(g->p.blocks->nr, g->p.precision, g->p.b.n, g->p.b.k, g->panels);
}

/* Units of a slice's depth. */
static size_t slice_units(const packing *all)
{
    return eng_min(SLICE_BLOCKS * all->p.blocks->kc, all->p.units);
}

/* Elements of it. */
static size_t slice_depth(const packing *all)
{
    return SLICE_BLOCKS * all->p.blocks->kc * all->p.group;
}

/* All panels, on all threads. */
static void pack_all(packing *g)
{
    eng_pool_run(g->pool, g->p.b.transposed ? panels_of(g) : eng_ceil_div(g->p.units, PACKED_UNITS), packing_task, g);
}

static bool loose_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                         bool accumulate, const eng_epilogue *e)
{
    packing all = packing_of(k, b, NULL);
    size_t nr = all.p.blocks->nr, strip = eng_min(STRIP_PANELS, panels_of(&all)) * nr, slice = slice_depth(&all);
    eng_arena_mark mark = eng_arena_save(scratch);
    uint32_t *panels = eng_arena_alloc(scratch, strip * slice_units(&all), sizeof *panels);
    bool good = panels;
    for (size_t j = 0; good && j < b.n; j += strip)
        for (size_t k0 = 0; good && (k0 == 0 || k0 < b.k); k0 += slice) {
            size_t n = eng_min(strip, b.n - j), depth = eng_min(slice, b.k - k0);
            packing g = packing_of(k, part_of(b, j, n, k0, depth), panels);
            if (!b.transposed) pack_rows(&g, 0, g.p.units);
            for (size_t i = 0; b.transposed && i < n; i += nr) good = good && pack_panel(&g, scratch, i);
            eng_packed w = packed_from(&g);
            eng_epilogue part = e ? *e : (eng_epilogue){0};
            part.bias = part.bias ? part.bias + j : NULL;
            part.residual = part.residual ? part.residual + j : NULL;
            good = good && packed_serial(k, scratch, m, left_from(a, k0), (eng_right){.n = n, .k = depth, .packed = &w},
                                         c + j, ldc, accumulate || k0 > 0, k0 + depth == b.k ? &part : NULL);
        }
    eng_arena_rewind(scratch, mark);
    return good;
}

static void loose_product(eng_context *ctx, size_t m, eng_left a, eng_right b, float *c, size_t ldc, bool accumulate,
                          const eng_epilogue *e, bool *failed)
{
    packing all = packing_of(&ctx->k, b, NULL);
    size_t slice = slice_depth(&all), columns = panels_of(&all) * all.p.blocks->nr;
    uint32_t *panels = eng_arena_alloc(ctx->arena, columns * slice_units(&all), sizeof *panels);
    if (!panels) {
        eng_out_of_memory(ctx, "a matrix product's right operand", columns * slice_units(&all) * sizeof *panels);
        return;
    }
    for (size_t k0 = 0; k0 == 0 || k0 < b.k; k0 += slice) {
        size_t depth = eng_min(slice, b.k - k0);
        packing g = packing_of(&ctx->k, part_of(b, 0, b.n, k0, depth), panels);
        g.pool = ctx->pool;
        g.failed = failed;
        pack_all(&g);
        eng_packed w = packed_from(&g);
        packed_product(ctx, m, left_from(a, k0), (eng_right){.n = b.n, .k = depth, .packed = &w}, c, ldc,
                       accumulate || k0 > 0, k0 + depth == b.k ? e : NULL, failed);
    }
}

/* ---- */

bool eng_product_serial(const kern_table *k, eng_arena *scratch, size_t m, eng_left a, eng_right b, float *c, size_t ldc,
                        bool accumulate, const eng_epilogue *e)
{
    if (m == 0 || b.n == 0) return true;
    return (b.packed ? packed_serial : loose_serial)(k, scratch, m, a, b, c, ldc, accumulate, e);
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
    (b.packed ? packed_product : loose_product)(ctx, m, a, b, c, ldc, accumulate, e, failed);
    for (size_t i = 0; i < threads; i++)
        if (failed[i]) eng_out_of_memory(ctx, "a matrix product", b.n * eng_min(b.k, ctx->k.gemm_blocks.kc) * sizeof(float));
    eng_arena_rewind(ctx->arena, mark);
}

void eng_pack(eng_context *ctx, eng_right b, eng_packed *out)
{
    if (!eng_good(ctx)) return;
    packing g = packing_of(&ctx->k, b, NULL);
    size_t threads = eng_pool_threads(ctx->pool), columns = panels_of(&g) * g.p.blocks->nr;
    g.pool = ctx->pool;
    g.panels = eng_arena_alloc(ctx->arena, columns * g.p.units, sizeof *g.panels);
    g.failed = eng_arena_alloc(ctx->arena, threads, sizeof *g.failed);
    bool good = g.panels && g.failed;
    if (good) {
        memset(g.failed, 0, threads * sizeof *g.failed);
        pack_all(&g);
        for (size_t i = 0; i < threads; i++) good = good && !g.failed[i];
    }
    if (good) *out = packed_from(&g);
    else eng_out_of_memory(ctx, "a matrix product's right operand", columns * g.p.units * sizeof *g.panels);
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

bool eng_gemm_serial(const kern_table *k, eng_arena *scratch, size_t m, const float *a, size_t lda, const eng_packed *w,
                     float *c, size_t ldc, const eng_epilogue *e)
{
    return eng_product_serial(k, scratch, m, (eng_left){a, lda, false}, packed_right(w), c, ldc, false, e);
}
