/* Weights packed into the micro-kernel's panels, once. */
#include <string.h>

#include "engine/gemm/parts.h"

enum { SMALL_BYTES = 1 << 20, MAX_INT8_DEPTH = 65536 };

size_t eng_precision_group(eng_precision precision)
{
    return precision == ENG_F32 ? 1 : precision == ENG_BF16 ? 2 : 4;
}

bool eng_packed_bytes(size_t nr, eng_precision precision, size_t n, size_t depth, size_t *bytes)
{
    size_t extra = precision == ENG_INT8 ? 2 : 0;
    size_t units = eng_ceil_div(depth, eng_precision_group(precision));
    return eng_mul_size(eng_ceil_div(n, nr) * nr, units + extra, bytes) &&
           eng_mul_size(*bytes, sizeof(uint32_t), bytes);
}

static eng_packed place(size_t nr, eng_precision precision, size_t n, size_t depth, void *memory)
{
    size_t columns = eng_ceil_div(n, nr) * nr;
    eng_packed p = {.precision = precision, .n = n, .k = depth, .nr = nr, .panels = memory};
    p.units = eng_ceil_div(depth, eng_precision_group(precision));
    if (precision != ENG_INT8) return p;
    p.scale = (float *)(p.panels + columns * p.units);
    p.correction = (int32_t *)(p.scale + columns);
    return p;
}

eng_status eng_packed_check(eng_precision precision, size_t n, size_t depth, eng_error *err)
{
    if (precision != ENG_INT8 || depth <= MAX_INT8_DEPTH) return ENG_OK;
    return eng_fail(err, ENG_E_UNSUPPORTED, "a weight of %zu x %zu: int8 sums up to %d products", n, depth, MAX_INT8_DEPTH);
}

eng_status eng_packed_new(const kern_table *k, eng_precision precision, size_t n, size_t depth, eng_packed *out,
                          eng_error *err)
{
    size_t bytes;
    *out = (eng_packed){0};
    eng_status status = eng_packed_check(precision, n, depth, err);
    if (status) return status;
    if (!eng_packed_bytes(k->gemm_blocks.nr, precision, n, depth, &bytes))
        return eng_fail(err, ENG_E_MEMORY, "a weight of %zu x %zu is too large", n, depth);
    void *memory = bytes < SMALL_BYTES ? eng_alloc(bytes, 1) : eng_alloc_pages(bytes);
    if (!memory) return eng_fail(err, ENG_E_MEMORY, "out of memory for a weight of %zu x %zu", n, depth);
    *out = place(k->gemm_blocks.nr, precision, n, depth, memory);
    out->bytes = bytes;
    return ENG_OK;
}

eng_packed eng_packed_borrow(size_t nr, eng_precision precision, size_t n, size_t depth, void *memory)
{
    eng_packed p = place(nr, precision, n, depth, memory);
    p.borrowed = true;
    return p;
}

void eng_packed_free(eng_packed *p)
{
    if (!p->borrowed) {
        if (p->bytes < SMALL_BYTES)
            eng_free(p->panels);
        else
            eng_free_pages(p->panels, p->bytes);
    }
    *p = (eng_packed){0};
}

/* Quantises a row of W: the kernel's unsigned bytes less 128, and their sum. */
static void quantise_row(const kern_table *k, eng_packed *p, size_t row, const float *w, uint32_t *units)
{
    float inverse;
    p->scale[row] = eng_quantised_scale(k->absmax_f32(p->k, w), &inverse);
    eng_layout_row(k, ENG_INT8, p->k, w, inverse, units);
    const uint8_t *bytes = (const uint8_t *)units;
    int32_t sum = 0;
    for (size_t i = 0; i < p->k; i++) sum += bytes[i] - 128;
    p->correction[row] = -128 * sum;
    for (size_t i = 0; i < p->units; i++) units[i] ^= 0x80808080u;
}

bool eng_packed_fill(const kern_table *k, eng_arena *scratch, eng_packed *p, size_t first, size_t count, const float *w,
                     size_t ldw)
{
    ENG_CHECK(first % p->nr == 0 && first + count <= p->n && (count % p->nr == 0 || first + count == p->n),
              "rows %zu + %zu of %zu, panels of %zu", first, count, p->n, p->nr);
    eng_arena_mark mark = eng_arena_save(scratch);
    uint32_t *units = p->precision == ENG_F32 ? NULL : eng_arena_alloc(scratch, p->nr * p->units, sizeof *units);
    bool good = units || p->precision == ENG_F32;
    for (size_t j = first; good && j < first + count; j += p->nr) {
        size_t n = eng_min(p->nr, first + count - j);
        const float *rows = w + (j - first) * ldw;
        float *panel = (float *)(p->panels + j * p->units);
        if (p->precision == ENG_F32) {
            k->gemm_pack(p->nr, n, p->k, rows, ldw, panel);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (p->precision == ENG_INT8)
                quantise_row(k, p, j + i, rows + i * ldw, units + i * p->units);
            else
                eng_layout_row(k, p->precision, p->k, rows + i * ldw, 0, units + i * p->units);
        }
        k->gemm_pack(p->nr, n, p->units, (const float *)units, p->units, panel);
        for (size_t i = n; i < p->nr && p->precision == ENG_INT8; i++) p->scale[j + i] = 0, p->correction[j + i] = 0;
    }
    eng_arena_rewind(scratch, mark);
    return good;
}

/* Columns [j, j + count) of a weight, as its panels have them, to y: unit u of column j + i to y[u * ldy + i]. Borrowed
 * memory may be unaligned: bytes are copied. */
static void copy_columns(const eng_packed *from, size_t j, size_t count, uint32_t *y, size_t ldy)
{
    for (size_t i = 0; i < count;) {
        size_t within = (j + i) % from->nr, run = eng_min(count - i, from->nr - within);
        const uint32_t *source = from->panels + (j + i - within) * from->units + within;
        for (size_t u = 0; u < from->units; u++) memcpy(y + u * ldy + i, source + u * from->nr, run * sizeof *y);
        i += run;
    }
}

/* Columns [j, j + count) of one panel of p. */
static void move_panel(eng_packed *p, size_t j, size_t count, const eng_packed *from)
{
    uint32_t *panel = p->panels + j * p->units;
    if (count < p->nr) memset(panel, 0, p->nr * p->units * sizeof *panel);
    copy_columns(from, j, count, panel, p->nr);
    if (p->precision != ENG_INT8) return;
    for (size_t i = count; i < p->nr; i++) p->scale[j + i] = 0, p->correction[j + i] = 0;
    memcpy(p->scale + j, from->scale + j, count * sizeof *p->scale);
    memcpy(p->correction + j, from->correction + j, count * sizeof *p->correction);
}

/* The same of a weight in f32, packed in p's precision. Returns false when out of memory. */
static bool round_panel(const kern_table *k, eng_arena *scratch, eng_packed *p, size_t j, size_t count,
                        const eng_packed *from)
{
    eng_arena_mark mark = eng_arena_save(scratch);
    float *columns = eng_arena_alloc(scratch, p->k * count, sizeof *columns); /* [k, count] */
    float *rows = eng_arena_alloc(scratch, count * p->k, sizeof *rows);
    bool good = columns && rows;
    if (good) {
        copy_columns(from, j, count, (uint32_t *)columns, count);
        k->transpose_f32(p->k, count, columns, count, rows, p->k);
        good = eng_packed_fill(k, scratch, p, j, count, rows, p->k);
    }
    eng_arena_rewind(scratch, mark);
    return good;
}

bool eng_packed_move(const kern_table *k, eng_arena *scratch, eng_packed *p, size_t first, size_t count,
                     const eng_packed *from)
{
    bool same = p->precision == from->precision;
    ENG_CHECK((same || from->precision == ENG_F32) && p->n == from->n && p->k == from->k,
              "%s [%zu, %zu] from %s [%zu, %zu]", eng_precision_name(p->precision), p->n, p->k,
              eng_precision_name(from->precision), from->n, from->k);
    ENG_CHECK(first % p->nr == 0 && first + count <= p->n && (count % p->nr == 0 || first + count == p->n),
              "rows %zu + %zu of %zu, panels of %zu", first, count, p->n, p->nr);
    for (size_t j = first; j < first + count; j += p->nr) {
        size_t columns = eng_min(p->nr, first + count - j);
        if (same) move_panel(p, j, columns, from);
        else if (!round_panel(k, scratch, p, j, columns, from)) return false;
    }
    return true;
}
