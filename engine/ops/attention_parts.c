#include "engine/ops/attention_parts.h"

#include "engine/gemm/parts.h"

/* How operands of that depth are laid out. */
static eng_product_plan plan(const kern_table *k, eng_precision precision, size_t depth)
{
    return (eng_product_plan){.k = k,
                              .blocks = eng_attention_blocks(k, precision),
                              .b.k = depth,
                              .precision = precision,
                              .group = eng_precision_group(precision),
                              .units = eng_attention_units(precision, depth)};
}

const kern_gemm_blocks *eng_attention_blocks(const kern_table *k, eng_precision precision)
{
    return precision == ENG_BF16 ? &k->bf16_blocks : &k->gemm_blocks;
}

size_t eng_attention_queries(const kern_table *k, eng_precision precision)
{
    size_t mr = eng_attention_blocks(k, precision)->mr;
    size_t most = precision == ENG_BF16 ? ENG_MAX_QUERIES : eng_min(ENG_QUERY_TILES * mr, ENG_MAX_QUERIES);
    return mr < most ? most / mr * mr : most;
}

size_t eng_attention_units(eng_precision precision, size_t depth)
{
    return eng_ceil_div(depth, eng_precision_group(precision));
}

void eng_attention_product(const kern_table *k, eng_precision precision, size_t rows, size_t n, size_t units,
                           const void *a, size_t lda, const void *panels, size_t panel_units, size_t first_unit, float *c,
                           size_t ldc, bool accumulate)
{
    const kern_gemm_blocks b = *eng_attention_blocks(k, precision);
    size_t deep = eng_ceil_div(units, b.run) * b.run;
    for (size_t j = 0; j < n; j += b.nr) {
        size_t at = j * panel_units + first_unit * b.nr, columns = eng_min(b.nr, n - j);
        for (size_t i = 0; i < rows; i += b.mr) {
            size_t m = eng_min(b.mr, rows - i);
            if (precision == ENG_BF16)
                k->gemm_bf16(m, columns, units, (const uint32_t *)a + i * deep, b.mr, (const uint32_t *)panels + at, b.nr,
                             c + i * ldc + j, ldc, accumulate, NULL);
            else
                k->gemm_f32(m, columns, units, (const float *)a + i * lda, lda, (const float *)panels + at, b.nr,
                            c + i * ldc + j, ldc, accumulate, NULL);
        }
    }
}

void eng_attention_pack_rows(const kern_table *k, eng_precision precision, size_t rows, size_t n, const float *x,
                             size_t ldx, void *panels)
{
    eng_product_plan p = plan(k, precision, rows);
    size_t nr = p.blocks->nr;
    p.b.data = x;
    p.b.ld = ldx;
    for (size_t j = 0; j < n; j += nr)
        eng_layout_right(&p, j, eng_min(nr, n - j), 0, p.units, NULL, (uint32_t *)panels + j * p.units);
}

void eng_attention_pack_columns(const kern_table *k, eng_precision precision, size_t rows, size_t n, const float *x,
                                size_t ldx, void *scratch, void *panels)
{
    eng_product_plan p = plan(k, precision, n);
    size_t nr = p.blocks->nr;
    p.b.data = x;
    p.b.ld = ldx;
    p.b.transposed = true;
    for (size_t i = 0; i < rows; i += nr)
        eng_layout_right(&p, i, eng_min(nr, rows - i), 0, p.units, scratch, (uint32_t *)panels + i * p.units);
}

void eng_attention_pack_left(const kern_table *k, size_t rows, size_t depth, const float *x, size_t ldx, void *scratch,
                             uint32_t *panels)
{
    eng_product_plan p = plan(k, ENG_BF16, depth);
    p.a = (eng_left){x, ldx, false};
    eng_layout_left(&p, 0, rows, 0, p.units, scratch, panels, NULL);
}

size_t eng_attention_scratch(const kern_table *k, eng_precision precision, size_t depth)
{
    eng_product_plan p = plan(k, precision, depth);
    return precision == ENG_F32 ? 0 : eng_layout_scratch(&p, p.units);
}

size_t eng_attention_left_size(const kern_table *k, size_t rows, size_t depth)
{
    eng_product_plan p = plan(k, ENG_BF16, depth);
    return eng_ceil_div(rows, p.blocks->mr) * p.blocks->mr * eng_left_depth(&p, p.units);
}

void eng_attention_masks(const eng_attention_dropout *d, uint32_t id, size_t head, size_t frames, size_t query,
                         size_t queries, size_t key, size_t keys, float *masks, size_t ld)
{
    float kept = d->p < 1 ? 1 / (1 - d->p) : 0;
    eng_stream stream = d->stream;
    stream.utterance = id;
    stream.purpose += (uint32_t)head;
    for (size_t i = 0; i < queries; i++) {
        float *row = masks + i * ld;
        eng_uniform(stream, (uint32_t)((query + i) * frames + key), keys, row);
        for (size_t j = 0; j < keys; j++) row[j] = row[j] < d->p ? 0 : kept;
    }
}

void eng_attention_apply(const kern_table *k, size_t rows, size_t n, const float *masks, float *x, size_t ld)
{
    for (size_t i = 0; i < rows; i++) k->mul_f32(n, x + i * ld, masks + i * ld, x + i * ld);
}
