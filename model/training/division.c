#include "model/training/division.h"

#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"

/* The block of a parameter by its canonical name. The bias embedding bears layer 0's name and serves all layers. */
static size_t block_of(const char *name, size_t layers)
{
    static const char LAYER[] = "wavlm.encoder.layers.";
    if (strncmp(name, LAYER, sizeof LAYER - 1) == 0) {
        char *rest;
        size_t index = strtoul(name + sizeof LAYER - 1, &rest, 10);
        return strcmp(rest, ".attention.rel_attn_embed.weight") == 0 || index >= layers ? 0 : 1 + index;
    }
    return strncmp(name, "wavlm.", 6) == 0 || strcmp(name, "layer_weights") == 0 ? 0 : layers + 1;
}

static size_t pieces_of(size_t count)
{
    return (count + MDL_PIECE - 1) / MDL_PIECE;
}

/* Puts the parameters of block b behind those that there are. */
static eng_status take_block(mdl_division *d, const mdl_params *p, size_t b, eng_error *err)
{
    mdl_block *block = &d->block[b];
    block->first = d->learning;
    for (size_t i = 0; i < p->count; i++) {
        if (p->param[i].frozen || block_of(p->param[i].name, d->blocks - 2) != b) continue;
        d->order[d->learning] = i;
        d->offset[d->learning + 1] = d->offset[d->learning] + p->param[i].count;
        d->learning++;
        block->pieces += pieces_of(p->param[i].count);
    }
    block->count = d->learning - block->first;
    block->piece = eng_alloc(block->pieces + 1, sizeof *block->piece);
    if (!block->piece) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    size_t n = 0;
    for (size_t j = block->first; j < d->learning; j++)
        for (size_t at = d->offset[j]; at < d->offset[j + 1]; at += MDL_PIECE) block->piece[n++] = at;
    block->piece[n] = d->offset[d->learning];
    return ENG_OK;
}

eng_status mdl_division_init(mdl_division *d, const mdl_params *p, size_t layers, size_t parts, eng_error *err)
{
    *d = (mdl_division){.parts = parts, .params = p->count, .blocks = layers + 2};
    d->block = eng_alloc_zero(d->blocks, sizeof *d->block);
    d->order = eng_alloc(p->count, sizeof *d->order);
    d->offset = eng_alloc(p->count + 1, sizeof *d->offset);
    if (!d->block || !d->order || !d->offset) return eng_fail(err, ENG_E_MEMORY, "out of memory");
    d->offset[0] = 0;
    eng_status status = ENG_OK;
    for (size_t b = 0; b < d->blocks && !status; b++) status = take_block(d, p, b, err);
    return status;
}

void mdl_division_fini(mdl_division *d)
{
    for (size_t b = 0; d->block && b < d->blocks; b++) eng_free(d->block[b].piece);
    eng_free(d->block);
    eng_free(d->order);
    eng_free(d->offset);
    *d = (mdl_division){0};
}

size_t mdl_division_elements(const mdl_division *d)
{
    return d->offset[d->learning];
}

mdl_span mdl_division_span(const mdl_division *d, size_t block, size_t first, size_t end)
{
    const mdl_block *b = &d->block[block];
    size_t from = b->piece[b->pieces * first / d->parts], to = b->piece[b->pieces * end / d->parts];
    return (mdl_span){from, to - from};
}

void mdl_division_own(const mdl_division *d, size_t first, size_t end, mdl_span *spans)
{
    memset(spans, 0, d->params * sizeof *spans);
    for (size_t b = 0; b < d->blocks; b++) {
        const mdl_span own = mdl_division_span(d, b, first, end);
        for (size_t at = own.first; at < own.first + own.count;) {
            const mdl_run run = mdl_division_run(d, b, at, own.first + own.count);
            spans[run.param] = (mdl_span){run.first, run.count};
            at += run.count;
        }
    }
}

mdl_run mdl_division_run(const mdl_division *d, size_t block, size_t at, size_t end)
{
    size_t low = d->block[block].first, high = low + d->block[block].count - 1;
    while (low < high) { /* the last that begins at or before `at`; none is empty */
        size_t middle = high - (high - low) / 2;
        if (d->offset[middle] <= at) low = middle;
        else high = middle - 1;
    }
    size_t stop = d->offset[low + 1] < end ? d->offset[low + 1] : end;
    return (mdl_run){d->order[low], at - d->offset[low], stop - at};
}
