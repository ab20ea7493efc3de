#include "model/checkpoint/save_panels.h"

#include <stdio.h>
#include <string.h>

#include "model/checkpoint/disk_name.h"

enum { NAME_SIZE = 512, ALIGN = 64, PARTS = 3 };

static bool is_weight(const mdl_param *p)
{
    return p->packed.panels != NULL;
}

static size_t columns_of(const eng_packed *w)
{
    return (w->n + w->nr - 1) / w->nr * w->nr;
}

/* The weights that follow one another without breaking the alignment; sizes depend on the panels' width. */
static bool keeps_alignment(const mdl_param *p)
{
    size_t bytes;
    const eng_packed *w = &p->packed;
    return eng_packed_bytes(w->nr, w->precision, w->n, w->k, &bytes) && bytes % ALIGN == 0;
}

static eng_status add_part(wts_writer *w, const char *name, const char *part, wts_dtype dtype, size_t ndim,
                           const size_t *shape, const void *data, eng_error *err)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return wts_writer_add(w, full, dtype, ndim, shape, data, err);
}

static eng_status add_weight(wts_writer *w, const mdl_model *m, const mdl_param *p, eng_error *err)
{
    char buffer[NAME_SIZE];
    const char *name = mdl_name_on_disk(&m->config, p->name, buffer, sizeof buffer);
    const eng_packed *q = &p->packed;
    size_t columns = columns_of(q), shape[4] = {columns / q->nr, q->units, q->nr, eng_precision_group(q->precision)};
    eng_status status = add_part(w, name, "panels", wts_panels_dtype(q->precision), 4, shape, q->panels, err);
    if (status || q->precision != ENG_INT8) return status;
    status = add_part(w, name, "scale", WTS_F32, 1, &columns, q->scale, err);
    return status ? status : add_part(w, name, "correction", WTS_I32, 1, &columns, q->correction, err);
}

static eng_status add_vector(wts_writer *w, const mdl_model *m, const mdl_param *p, eng_error *err)
{
    char buffer[NAME_SIZE];
    return wts_writer_add(w, mdl_name_on_disk(&m->config, p->name, buffer, sizeof buffer), WTS_F32, p->ndim, p->shape,
                          p->data, err);
}

eng_status mdl_write_panels(const mdl_model *m, const char *path, wts_writer **w, eng_error *err)
{
    const mdl_params *all = &m->params;
    wts_panels_metadata metadata;
    size_t name_bytes = 0, width = 0;
    for (size_t i = 0; i < all->count; i++) {
        name_bytes += PARTS * (strlen(all->param[i].name) + 16);
        if (is_weight(&all->param[i])) width = all->param[i].packed.nr;
    }
    wts_panels_describe(m->precision, width, &metadata);
    eng_status status = wts_writer_open(path, PARTS * all->count, name_bytes, metadata.pairs, w, err);
    for (int aligned = 1; aligned >= 0 && !status; aligned--)
        for (size_t i = 0; i < all->count && !status; i++)
            if (is_weight(&all->param[i]) && keeps_alignment(&all->param[i]) == aligned)
                status = add_weight(*w, m, &all->param[i], err);
    for (size_t i = 0; i < all->count && !status; i++)
        if (!is_weight(&all->param[i])) status = add_vector(*w, m, &all->param[i], err);
    return status;
}
