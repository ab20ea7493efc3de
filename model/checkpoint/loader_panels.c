/* Weights of converted files: <name>.panels [panels, units, width, elements], int8 also <name>.scale and
 * <name>.correction [panels * width] (weights/README.md). */
#include <stdio.h>
#include <string.h>

#include "model/checkpoint/loader.h"

enum { NAME_SIZE = 512, ALIGN = 64 };

static const wts_tensor *take_part(mdl_loader *l, const char *name, const char *part, wts_dtype dtype, size_t ndim,
                                   const size_t *shape)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return mdl_loader_take_exactly(l, full, dtype, ndim, shape);
}

/* The mapping is read-only, and a packed weight is never written to. */
static void *in_file(const wts_tensor *t)
{
    return (void *)(uintptr_t)t->data;
}

/* The weight as it lies in the file, and the tensor that its panels are; NULL, with the error set, when it is not there as
 * it should be. */
static const wts_tensor *find_weight(mdl_loader *l, const char *name, size_t n, size_t k, eng_packed *out)
{
    eng_precision precision = mdl_stored_precision(l->precision, l->part);
    size_t width = l->panels.width, group = eng_precision_group(precision), panels = (n + width - 1) / width;
    size_t shape[4] = {panels, (k + group - 1) / group, width, group}, columns = panels * width;
    const wts_tensor *t = take_part(l, name, "panels", wts_panels_dtype(precision), 4, shape);
    if (!t) return NULL;
    if (eng_packed_check(precision, n, k, l->err)) {
        l->status = eng_fail_prefix(l->err, "%s: tensor %s", l->path, t->name);
        return NULL;
    }
    *out = eng_packed_borrow(width, precision, n, k, in_file(t));
    if (precision != ENG_INT8) return t;
    const wts_tensor *scale = take_part(l, name, "scale", WTS_F32, 1, &columns);
    const wts_tensor *correction = take_part(l, name, "correction", WTS_I32, 1, &columns);
    if (!scale || !correction) return NULL;
    out->scale = in_file(scale);
    out->correction = in_file(correction);
    return t;
}

static bool usable_in_place(const mdl_loader *l, const eng_packed *w)
{
    return w->nr == l->k->gemm_blocks.nr && (uintptr_t)w->panels % ALIGN == 0 && (uintptr_t)w->scale % ALIGN == 0 &&
           (uintptr_t)w->correction % ALIGN == 0;
}

typedef struct move_run {
    mdl_loader *l;
    const eng_packed *from;
    eng_packed *to;
    bool *failed; /* [threads] */
} move_run;

static void move_task(void *arg, size_t task, size_t worker)
{
    const move_run *r = arg;
    size_t nr = r->to->nr, first = task * nr, left = r->to->n - first;
    if (!eng_packed_move(r->l->k, eng_pool_scratch(r->l->pool, worker), r->to, first, left < nr ? left : nr, r->from))
        r->failed[worker] = true;
}

/* Packs `from` anew in memory of the model. */
static void move_weight(mdl_loader *l, const eng_packed *from, eng_weight *to)
{
    if (eng_packed_new(l->k, mdl_loader_precision(l), from->n, from->k, &to->packed, l->err)) {
        l->status = eng_fail_prefix(l->err, "%s", l->path);
        return;
    }
    move_run run = {l, from, &to->packed, NULL};
    mdl_loader_run(l, (from->n + run.to->nr - 1) / run.to->nr, move_task, &run, &run.failed, to);
}

void mdl_loader_bind(mdl_loader *l, const char *name, size_t n, size_t k, eng_weight *out)
{
    eng_packed found;
    if (l->status) return;
    *out = (eng_weight){.n = n, .k = k};
    const wts_tensor *t = find_weight(l, name, n, k, &found);
    if (!t) return;
    if (found.precision == mdl_loader_precision(l) && usable_in_place(l, &found)) {
        out->packed = found;
        l->borrowed = true;
    } else {
        move_weight(l, &found, out);
        mdl_loader_let_go(l, t); /* scale and correction are small */
    }
    mdl_loader_list_packed(l, name, out);
}

void mdl_loader_list_packed(mdl_loader *l, const char *name, const eng_weight *w)
{
    if (!l->params || l->trainable || l->status) return;
    mdl_loader_list(l, name, 2, (size_t[]){w->n, w->k}, MDL_PARAM_AS_IS, NULL, NULL);
    if (!l->status) l->params->param[l->params->count - 1].packed = w->packed;
}
