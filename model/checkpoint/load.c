/* From a path to a model. */
#include "model/checkpoint/load.h"

#include "model/checkpoint/load_parts.h"
#include "model/checkpoint/loader.h"

eng_status mdl_load_weights(mdl_model *m, const wts_checkpoint *file, const mdl_initialiser *init, mdl_load_purpose purpose,
                            const kern_table *k, eng_pool *pool, eng_error *err)
{
    if (purpose == MDL_LOAD_TO_TRAIN && m->panels.present)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: its weights were converted to %s for inference and cannot be trained: begin with the "
                        "checkpoint that it was converted from",
                        file->path, eng_precision_name(m->panels.precision));
    mdl_loader l = {.path = file ? file->path : m->path,
                    .file = file,
                    .init = init,
                    .layout = m->layout,
                    .panels = m->panels,
                    .k = k,
                    .pool = pool,
                    .precision = m->precision,
                    .bf16_is_fast = k->bf16_is_fast && m->allow_bf16,
                    .to_store = purpose == MDL_LOAD_TO_CONVERT,
                    .memory = &m->memory,
                    .trainable = purpose == MDL_LOAD_TO_TRAIN,
                    .params = purpose == MDL_LOAD_TO_RUN ? NULL : &m->params,
                    .err = err};
    eng_status status = mdl_loader_init(&l);
    if (!status) {
        if (init) mdl_loader_ignore_head(&l);
        mdl_load_backbone(&l, m);
        if (!l.status) mdl_load_head(&l, m);
        status = mdl_loader_finish(&l);
        m->borrows = l.borrowed;
        m->repacked = m->panels.present && m->panels.width != k->gemm_blocks.nr;
    }
    mdl_loader_fini(&l);
    return status;
}

mdl_model *mdl_model_new(const char *path, eng_error *err)
{
    mdl_model *m = eng_alloc_zero(1, sizeof *m);
    if (m) eng_arena_init(&m->memory);
    if (m && (m->path = eng_strdup(path))) return m;
    eng_fail(err, ENG_E_MEMORY, "%s: out of memory", path);
    mdl_model_free(m);
    return NULL;
}

/* m->precision: what was asked for, or the model's own. */
static eng_status settle_precision(mdl_model *m, const eng_precision *asked, eng_error *err)
{
    const wts_panels *p = &m->panels;
    m->precision = p->present ? p->precision : asked ? *asked : ENG_F32;
    if (!asked || *asked == m->precision) return ENG_OK;
    return eng_fail(err, ENG_E_MISMATCH,
                    "%s: the model was converted to %s, and %s was asked for: open it as what it is, or convert the "
                    "checkpoint that it was made of",
                    m->path, eng_precision_name(m->precision), eng_precision_name(*asked));
}

static eng_status load_model(const char *path, const eng_precision *precision, bool allow_bf16,
                             mdl_load_purpose purpose, const kern_table *k, eng_pool *pool, mdl_model **out, eng_error *err)
{
    *out = NULL;
    wts_folder folder;
    eng_status status = wts_folder_resolve(path, &folder, err);
    if (status) return status;
    wts_checkpoint file;
    status = wts_folder_open(&folder, &file, err);
    if (!status) {
        mdl_model *m = mdl_model_new(path, err);
        status = m ? mdl_load_config(m, &folder, &file, false, err) : ENG_E_MEMORY;
        if (!status) status = settle_precision(m, precision, err);
        if (!status) m->allow_bf16 = allow_bf16;
        if (!status) status = mdl_load_weights(m, &file, NULL, purpose, k, pool, err);
        if (!status && m->borrows) {
            m->file = file;
            file = (wts_checkpoint){0};
        }
        if (status) mdl_model_free(m);
        else *out = m;
        wts_checkpoint_close(&file);
    }
    wts_folder_fini(&folder);
    return status;
}

eng_status mdl_model_load(const char *path, const eng_precision *precision, bool allow_bf16, const kern_table *k,
                          eng_pool *pool, mdl_model **out, eng_error *err)
{
    return load_model(path, precision, allow_bf16, MDL_LOAD_TO_RUN, k, pool, out, err);
}

eng_status mdl_model_load_to_convert(const char *path, const eng_precision *precision, const kern_table *k,
                                     eng_pool *pool, mdl_model **out, eng_error *err)
{
    return load_model(path, precision, false, MDL_LOAD_TO_CONVERT, k, pool, out, err);
}

eng_status mdl_model_load_trainable(const char *path, const kern_table *k, eng_pool *pool, mdl_model **out,
                                    eng_error *err)
{
    return load_model(path, NULL, false, MDL_LOAD_TO_TRAIN, k, pool, out, err);
}

void mdl_model_free(mdl_model *m)
{
    if (!m) return;
    for (size_t i = 0; i < MDL_MAX_CONVS; i++) eng_packed_free(&m->conv[i].linear.w.packed);
    eng_packed_free(&m->feature_projection.w.packed);
    for (size_t g = 0; m->pos_conv && g < m->config.pos_groups; g++) eng_packed_free(&m->pos_conv[g].packed);
    for (size_t i = 0; m->layer && i < m->config.layers; i++) {
        mdl_layer *layer = &m->layer[i];
        eng_packed_free(&layer->qkv.w.packed);
        eng_packed_free(&layer->out.w.packed);
        eng_packed_free(&layer->up.w.packed);
        eng_packed_free(&layer->down.w.packed);
    }
    mdl_head_weights *h = &m->head;
    size_t hidden = m->config.head == MDL_HEAD_ODYSSEY ? m->config.head_layers : 1;
    for (size_t i = 0; h->hidden && i < hidden; i++) eng_packed_free(&h->hidden[i].w.packed);
    eng_packed_free(&h->pool.w.packed);
    eng_packed_free(&h->text.w.packed);
    eng_packed_free(&h->classifier.w.packed);
    wts_checkpoint_close(&m->file);
    eng_arena_fini(&m->memory);
    mdl_params_fini(&m->params);
    mdl_config_fini(&m->config);
    eng_free(m->path);
    eng_free(m);
}
