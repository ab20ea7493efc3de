/* Weights packed into the micro-kernel's panels, once. */
#include "engine/gemm.h"

enum { SMALL_BYTES = 1 << 20 };

eng_status eng_packed_new(const kern_table *k, size_t n, size_t depth, eng_packed *out, eng_error *err)
{
    size_t nr = k->gemm_blocks.nr, bytes;
    *out = (eng_packed){.n = n, .k = depth, .nr = nr};
    if (!eng_mul_size((n + nr - 1) / nr * nr, depth, &bytes) || !eng_mul_size(bytes, sizeof(float), &bytes))
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
        k->gemm_pack(p->nr, count - j < p->nr ? count - j : p->nr, p->k, w + j * ldw, ldw, p->panels + (first + j) * p->k);
}
