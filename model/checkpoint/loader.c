#include "model/checkpoint/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 512 };

void mdl_loader_fail(mdl_loader *l, eng_status status, const char *format, ...)
{
    if (l->status) return;
    char message[768];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    l->status = eng_fail(l->err, status, "%s: %s", l->path, message);
}

eng_status mdl_loader_init(mdl_loader *l)
{
    eng_arena_init(&l->drawn);
    if (!l->file) return ENG_OK;
    l->used = eng_alloc_zero(l->file->count, sizeof *l->used);
    if (!l->used) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for %zu tensors", l->file->count);
    else l->status = wts_name_map_init(&l->names, l->file, l->layout, l->err);
    return l->status;
}

void mdl_loader_fini(mdl_loader *l)
{
    wts_name_map_fini(&l->names);
    eng_arena_fini(&l->drawn);
    eng_free(l->used);
}

static bool of_backbone(const char *name)
{
    return strncmp(name, "wavlm.", 6) == 0;
}

bool mdl_loader_draws(const mdl_loader *l, const char *name)
{
    return l->init && (l->init->backbone || !of_backbone(name));
}

static void mark_used(mdl_loader *l, const wts_tensor *t)
{
    l->used[t - l->file->tensors] = true;
}

bool mdl_loader_has(const mdl_loader *l, const char *name)
{
    return !mdl_loader_draws(l, name) && wts_name_map_find(&l->names, name) != NULL;
}

static const wts_tensor *find_required(mdl_loader *l, const char *name)
{
    if (l->status) return NULL;
    const wts_tensor *t = wts_name_map_find(&l->names, name);
    if (t) return t;
    char native[NAME_SIZE];
    bool other = wts_native_name(l->layout, name, native, sizeof native);
    mdl_loader_fail(l, ENG_E_MISSING, "no tensor %s%s%s among the file's %zu (taken for: %s)", other ? native : name,
                    other ? ", that is " : "", other ? name : "", l->file->count, wts_layout_name(l->layout));
    return NULL;
}

/* "[2, 3]" */
static const char *shape_text(size_t ndim, const size_t *shape, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < ndim && used + 1 < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%zu", i ? ", " : "", shape[i]);
    return buffer;
}

static bool is_number(const wts_tensor *t)
{
    return t->dtype == WTS_F32 || t->dtype == WTS_F16 || t->dtype == WTS_BF16 || t->dtype == WTS_F64;
}

/* Initial values in l->drawn. */
static const wts_tensor *draw(mdl_loader *l, const char *name, size_t ndim, const size_t *shape)
{
    if (l->status) return NULL;
    wts_tensor *t = eng_arena_alloc(&l->drawn, 1, sizeof *t);
    char *copy = eng_arena_alloc(&l->drawn, strlen(name) + 1, 1);
    size_t count = 1;
    bool fits = t && copy && ndim <= WTS_MAX_DIMS;
    for (size_t i = 0; fits && i < ndim; i++) fits = eng_mul_size(count, shape[i], &count);
    float *data = fits ? eng_arena_alloc(&l->drawn, count, sizeof *data) : NULL;
    if (!data) {
        mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for tensor %s", name);
        return NULL;
    }
    mdl_initialise(l->init, l->pool, name, ndim, shape, data);
    *t = (wts_tensor){.name = strcpy(copy, name), .dtype = WTS_F32, .dtype_name = "F32", .ndim = ndim, .count = count,
                      .data = data, .bytes = count * sizeof *data, .contiguous = true};
    memcpy(t->shape, shape, ndim * sizeof *shape);
    return t;
}

void mdl_loader_let_go(mdl_loader *l, const wts_tensor *t)
{
    if (t->mapped) wts_tensor_drop_pages(t);
    eng_arena_rewind(&l->drawn, (eng_arena_mark){0});
}

/* A tensor that must be there, of that shape. */
static const wts_tensor *find_shaped(mdl_loader *l, const char *name, size_t ndim, const size_t *shape)
{
    const wts_tensor *t = find_required(l, name);
    if (!t) return NULL;
    bool same = t->ndim == ndim;
    for (size_t i = 0; same && i < ndim; i++) same = t->shape[i] == shape[i];
    char found[128], expected[128];
    if (same) return t;
    mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s is %s; expected [%s]", t->name,
                    wts_tensor_describe(t, found, sizeof found), shape_text(ndim, shape, expected, sizeof expected));
    return NULL;
}

const wts_tensor *mdl_loader_take_exactly(mdl_loader *l, const char *name, wts_dtype dtype, size_t ndim,
                                          const size_t *shape)
{
    const wts_tensor *t = find_shaped(l, name, ndim, shape);
    if (!t) return NULL;
    char found[128];
    if (t->dtype != dtype) {
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s is %s, which is not what a model converted to %s has", t->name,
                        wts_tensor_describe(t, found, sizeof found), eng_precision_name(l->precision));
        return NULL;
    }
    mark_used(l, t);
    return t;
}

const wts_tensor *mdl_loader_take(mdl_loader *l, const char *name, size_t ndim, const size_t *shape)
{
    if (mdl_loader_draws(l, name)) return draw(l, name, ndim, shape);
    const wts_tensor *t = find_shaped(l, name, ndim, shape);
    char found[128];
    if (!t) return NULL;
    if (!is_number(t) || !t->contiguous || !t->data) {
        mdl_loader_fail(l, ENG_E_UNSUPPORTED, "tensor %s is %s%s; expected contiguous F32, F16, BF16 or F64", t->name,
                        wts_tensor_describe(t, found, sizeof found), t->contiguous ? "" : " with other strides");
        return NULL;
    }
    mark_used(l, t);
    return t;
}

bool mdl_loader_shape(mdl_loader *l, const char *name, size_t ndim, size_t *shape)
{
    const wts_tensor *t = find_required(l, name);
    if (!t) return false;
    if (t->ndim != ndim) {
        char found[128];
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s is %s; expected %zu dimensions", t->name,
                        wts_tensor_describe(t, found, sizeof found), ndim);
        return false;
    }
    memcpy(shape, t->shape, ndim * sizeof *shape);
    return true;
}

/* "classifier" has its shape in classifier.weight, in a converted file only in its bias. */
static void shape_holder(const mdl_loader *l, const char *name, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s.%s", name, l->panels.present ? "bias" : "weight");
}

bool mdl_loader_has_linear(const mdl_loader *l, const char *name)
{
    char holder[NAME_SIZE];
    shape_holder(l, name, holder);
    return mdl_loader_has(l, holder);
}

bool mdl_loader_outputs(mdl_loader *l, const char *name, size_t *out)
{
    char holder[NAME_SIZE];
    size_t shape[2];
    shape_holder(l, name, holder);
    if (!mdl_loader_shape(l, holder, l->panels.present ? 1 : 2, shape)) return false;
    *out = shape[0];
    return true;
}

float *mdl_loader_read(mdl_loader *l, const char *name, size_t ndim, const size_t *shape)
{
    const wts_tensor *t = mdl_loader_take(l, name, ndim, shape);
    if (!t) return NULL;
    float *out = eng_arena_alloc(l->memory, t->count, sizeof *out);
    if (!out) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for tensor %s", t->name);
    else if (wts_tensor_read_f32(t, l->k, 0, t->count, out, l->err)) l->status = l->err->status;
    else mdl_loader_let_go(l, t);
    return l->status ? NULL : out;
}

float *mdl_loader_gradient(mdl_loader *l, size_t count)
{
    if (!l->trainable || l->status) return NULL;
    float *grad = eng_arena_alloc(l->memory, count, sizeof *grad);
    if (!grad) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for %zu gradients", count);
    else memset(grad, 0, count * sizeof *grad);
    return grad;
}

void mdl_loader_list(mdl_loader *l, const char *name, size_t ndim, const size_t *shape, mdl_param_layout layout,
                     float *data, float *grad)
{
    if (!l->params || l->status) return;
    if (mdl_params_add(l->params, name, ndim, shape, layout, data, grad, l->err)) l->status = l->err->status;
}

eng_vector mdl_loader_adopt(mdl_loader *l, const char *name, size_t ndim, const size_t *shape, float *data)
{
    size_t count = 1;
    for (size_t i = 0; i < ndim; i++) count *= shape[i];
    eng_vector v = {data, mdl_loader_gradient(l, count)};
    mdl_loader_list(l, name, ndim, shape, MDL_PARAM_AS_IS, data, v.grad);
    return v;
}

eng_vector mdl_loader_param(mdl_loader *l, const char *name, size_t ndim, const size_t *shape)
{
    return mdl_loader_adopt(l, name, ndim, shape, mdl_loader_read(l, name, ndim, shape));
}

eng_vector mdl_loader_vector(mdl_loader *l, const char *name, size_t n)
{
    return mdl_loader_param(l, name, 1, &n);
}

eng_precision mdl_loader_precision(const mdl_loader *l)
{
    return l->to_store ? mdl_stored_precision(l->precision, l->part)
                       : mdl_part_precision(l->precision, l->part, l->bf16_is_fast);
}

void mdl_loader_run(mdl_loader *l, size_t tasks, eng_task_fn task, void *arg, bool **failed, const eng_weight *w)
{
    size_t threads = eng_pool_threads(l->pool);
    *failed = eng_alloc_zero(threads, sizeof **failed);
    bool good = *failed != NULL;
    if (good) eng_pool_run(l->pool, tasks, task, arg);
    for (size_t i = 0; good && i < threads; i++) good = !(*failed)[i];
    if (!good) mdl_loader_fail(l, ENG_E_MEMORY, "out of memory for a weight of %zu x %zu", w->n, w->k);
    eng_free(*failed);
}

void mdl_loader_ignore(mdl_loader *l, const char *name)
{
    const wts_tensor *t = wts_name_map_find(&l->names, name);
    if (t) mark_used(l, t);
}

void mdl_loader_ignore_head(mdl_loader *l)
{
    for (size_t i = 0; l->file && i < l->file->count; i++)
        if (!of_backbone(l->names.names[i])) l->used[i] = true;
}

eng_status mdl_loader_finish(mdl_loader *l)
{
    if (l->status || !l->file) return l->status;
    const wts_tensor *first = NULL;
    size_t extra = 0;
    for (size_t i = 0; i < l->file->count; i++) {
        const wts_tensor *t = &l->file->tensors[i];
        if (l->used[i] || !(is_number(t) || l->panels.present)) continue; /* integer buffers (position ids, counters) carry no weights */
        if (extra++ == 0) first = t;
    }
    char found[128];
    if (extra)
        mdl_loader_fail(l, ENG_E_MISMATCH, "tensor %s, %s, has no place in this model (taken for: %s; %zu in all)",
                        first->name, wts_tensor_describe(first, found, sizeof found), wts_layout_name(l->layout), extra);
    return l->status;
}
