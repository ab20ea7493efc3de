#include "engine/attention_parts.h"

#include <string.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void eng_attention_product(const kern_table *k, size_t rows, size_t n, size_t depth, const float *a, size_t lda,
                           const float *panels, size_t panel_rows, size_t first_row, float *c, size_t ldc,
                           bool accumulate)
{
    size_t nr = k->gemm_blocks.nr, mr = k->gemm_blocks.mr;
    for (size_t j = 0; j < n; j += nr)
        for (size_t i = 0; i < rows; i += mr)
            k->gemm_f32(min_size(mr, rows - i), min_size(nr, n - j), depth, a + i * lda, lda,
                        panels + j * panel_rows + first_row * nr, nr, c + i * ldc + j, ldc, accumulate, NULL);
}

void eng_attention_pack_rows(const kern_table *k, size_t rows, size_t n, const float *x, size_t ldx, float *panels)
{
    size_t nr = k->gemm_blocks.nr;
    for (size_t j = 0; j < n; j += nr) {
        size_t width = min_size(nr, n - j);
        float *panel = panels + j * rows;
        for (size_t i = 0; i < rows; i++) {
            memcpy(panel + i * nr, x + i * ldx + j, width * sizeof *panel);
            memset(panel + i * nr + width, 0, (nr - width) * sizeof *panel);
        }
    }
}

void eng_attention_pack_columns(const kern_table *k, size_t rows, size_t n, const float *x, size_t ldx, float *panels)
{
    size_t nr = k->gemm_blocks.nr;
    for (size_t i = 0; i < rows; i += nr)
        k->gemm_pack(nr, min_size(nr, rows - i), n, x + i * ldx, ldx, panels + i * n);
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
