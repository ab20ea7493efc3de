/* Weights as the kernels multiply with them: rows of a checkpoint's tensors, packed or, when training, laid out. Those
 * of a converted file are packed already (loader_panels.c). */
#include <stdio.h>

#include "model/checkpoint/loader.h"

enum { NAME_SIZE = 512 };

typedef struct pack_run {
    mdl_loader *l;
    size_t n, k, rows; /* rows of a task, a multiple of nr */
    mdl_row_source source;
    void *arg;
    eng_weight *out;
    bool *failed;
} pack_run;

static void pack_task(void *arg, size_t task, size_t worker)
{
    pack_run *r = arg;
    eng_arena *scratch = eng_pool_scratch(r->l->pool, worker);
    eng_arena_mark mark = eng_arena_save(scratch);
    size_t first = task * r->rows, left = r->n - first, rows = left < r->rows ? left : r->rows;
    float *w = r->out->data ? r->out->data + first * r->k : eng_arena_alloc(scratch, rows * r->k, sizeof *w);
    bool good = w != NULL;
    for (size_t i = 0; good && i < rows; i++) good = r->source(r->arg, first + i, w + i * r->k, scratch);
    if (good && !r->out->data) good = eng_packed_fill(r->l->k, scratch, &r->out->packed, first, rows, w, r->k);
    if (!good) r->failed[worker] = true;
    eng_arena_rewind(scratch, mark);
}

void mdl_loader_pack(mdl_loader *l, size_t n, size_t k, mdl_row_source source, void *arg, eng_weight *out)
{
    if (l->status) return;
    *out = (eng_weight){.n = n, .k = k};
    if (l->trainable) {
        size_t count;
        out->grad = eng_mul_size(n, k, &count) ? mdl_loader_gradient(l, count) : NULL;
        out->data = out->grad ? eng_arena_alloc(l->memory, count, sizeof(float)) : NULL;
        if (!out->data) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for a weight of %zu x %zu", n, k);
    } else if (eng_packed_new(l->k, mdl_loader_precision(l), n, k, &out->packed, l->err)) {
        l->status = eng_fail_prefix(l->err, "%s", l->path);
    }
    if (l->status) return;
    size_t rows = l->k->gemm_blocks.nr;
    pack_run run = {l, n, k, rows, source, arg, out, NULL};
    mdl_loader_run(l, (n + rows - 1) / rows, pack_task, &run, &run.failed, out);
}

typedef struct stacked_source {
    mdl_loader *l;
    const wts_tensor *parts[3];
    size_t rows, k;
} stacked_source;

static bool stacked_row(void *arg, size_t row, float *out, eng_arena *scratch)
{
    (void)scratch;
    stacked_source *s = arg;
    /* cannot fail: mdl_loader_take checked dtype and layout */
    wts_tensor_read_f32(s->parts[row / s->rows], s->l->k, row % s->rows * s->k, s->k, out, NULL);
    return true;
}

/* The weights' stack, packed, or as the file has it. */
static void load_stack(mdl_loader *l, const char *stack, stacked_source *s, size_t parts, const char *const *names,
                       eng_weight *out)
{
    char name[NAME_SIZE];
    if (l->panels.present) {
        mdl_loader_bind(l, stack, parts * s->rows, s->k, out);
        return;
    }
    for (size_t i = 0; i < parts && !l->status; i++) {
        snprintf(name, sizeof name, "%s.weight", names[i]);
        s->parts[i] = mdl_loader_take(l, name, 2, (size_t[]){s->rows, s->k});
    }
    mdl_loader_pack(l, parts * s->rows, s->k, stacked_row, s, out);
    mdl_loader_list_packed(l, stack, out);
    for (size_t i = 0; i < parts && !l->status; i++) mdl_loader_let_go(l, s->parts[i]);
}

/* Parts of what was stacked, each under its own name. */
static void list_parts(mdl_loader *l, size_t parts, const char *const *names, size_t rows, size_t k,
                       const eng_weight *w, const eng_vector *biases)
{
    char name[NAME_SIZE];
    for (size_t i = 0; i < parts && l->params && !l->status; i++) {
        snprintf(name, sizeof name, "%s.weight", names[i]);
        if (w->data)
            mdl_loader_list(l, name, 2, (size_t[]){rows, k}, MDL_PARAM_AS_IS, w->data + i * rows * k,
                            w->grad + i * rows * k);
        snprintf(name, sizeof name, "%s.bias", names[i]);
        if (biases)
            mdl_loader_list(l, name, 1, &rows, MDL_PARAM_AS_IS, (float *)(uintptr_t)biases->data + i * rows,
                            biases->grad ? biases->grad + i * rows : NULL);
    }
}

void mdl_loader_linear(mdl_loader *l, const char *stack, size_t parts, const char *const *names, size_t rows, size_t k,
                       eng_weight *out, eng_vector *biases)
{
    stacked_source s = {.l = l, .rows = rows, .k = k};
    ENG_CHECK(parts >= 1 && parts <= 3, "%zu stacked parts", parts);
    char name[NAME_SIZE];
    float *bias = biases ? eng_arena_alloc(l->memory, parts * rows, sizeof *bias) : NULL;
    if (biases && !bias) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for biases");
    load_stack(l, stack, &s, parts, names, out);
    for (size_t i = 0; i < parts && biases && !l->status; i++) {
        snprintf(name, sizeof name, "%s.bias", names[i]);
        const wts_tensor *t = mdl_loader_take(l, name, 1, &rows);
        if (t && wts_tensor_read_f32(t, l->k, 0, rows, bias + i * rows, l->err)) l->status = l->err->status;
    }
    if (biases) *biases = (eng_vector){bias, mdl_loader_gradient(l, parts * rows)};
    list_parts(l, parts, names, rows, k, out, biases);
}

typedef struct conv_source {
    mdl_loader *l;
    const wts_tensor *t;
    size_t in, kernel;
} conv_source;

static bool conv_row(void *arg, size_t row, float *out, eng_arena *scratch)
{
    conv_source *s = arg;
    eng_arena_mark mark = eng_arena_save(scratch);
    size_t count = s->in * s->kernel;
    float *w = eng_arena_alloc(scratch, count, sizeof *w); /* [in, kernel] */
    if (!w) return false;
    wts_tensor_read_f32(s->t, s->l->k, row * count, count, w, NULL);
    for (size_t tap = 0; tap < s->kernel; tap++)
        for (size_t c = 0; c < s->in; c++) out[tap * s->in + c] = w[c * s->kernel + tap];
    eng_arena_rewind(scratch, mark);
    return true;
}

void mdl_loader_conv(mdl_loader *l, const char *name, size_t out_channels, size_t in_channels, size_t kernel,
                     eng_weight *out)
{
    char weight[NAME_SIZE];
    const size_t shape[3] = {out_channels, in_channels, kernel};
    if (l->panels.present) {
        mdl_loader_bind(l, name, out_channels, in_channels * kernel, out);
        return;
    }
    snprintf(weight, sizeof weight, "%s.weight", name);
    const wts_tensor *t = mdl_loader_take(l, weight, 3, shape);
    conv_source s = {l, t, in_channels, kernel};
    mdl_loader_pack(l, out_channels, in_channels * kernel, conv_row, &s, out);
    if (!l->status) mdl_loader_let_go(l, t);
    if (out->data) mdl_loader_list(l, weight, 3, shape, MDL_PARAM_CONV, out->data, out->grad);
    mdl_loader_list_packed(l, name, out);
}
