#include "tests/support/converted.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "model/checkpoint/save.h"
#include "weights/panels.h"

void converted_write(support_engine *e, const kern_table *k, const char *path, eng_precision precision,
                     const char *folder)
{
    mdl_model *m;
    eng_error err = {0};
    cr_assert_eq(mdl_model_load_to_convert(path, &precision, k, e->ctx.pool, &m, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(mdl_model_save(m, folder, &err), ENG_OK, "%s", err.message);
    mdl_model_free(m);
}

void converted_add_tensor(const char *folder, const char *name)
{
    char path[1024];
    wts_checkpoint c;
    wts_panels panels;
    wts_panels_metadata metadata;
    wts_writer *w;
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    cr_assert_eq(wts_checkpoint_open(path, &c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_panels_read(&c, &panels, &err), ENG_OK);
    cr_assert(panels.present);
    wts_panels_describe(panels.precision, panels.width, &metadata);
    cr_assert_eq(wts_writer_open(path, c.count + 1, 1 << 16, metadata.pairs, &w, &err), ENG_OK, "%s", err.message);
    const signed char more[4] = {1, 2, 3, 4};
    cr_assert_eq(wts_writer_add(w, name, WTS_I8, 1, (size_t[]){4}, more, &err), ENG_OK);
    for (size_t i = 0; i < c.count; i++) {
        const wts_tensor *t = &c.tensors[i];
        cr_assert_eq(wts_writer_add(w, t->name, t->dtype, t->ndim, t->shape, t->data, &err), ENG_OK);
    }
    cr_assert_eq(wts_writer_finish(w, &err), ENG_OK, "%s", err.message);
    wts_checkpoint_close(&c);
}
