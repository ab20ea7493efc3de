/* Loading in parts, which create.c puts together in another way than mdl_model_load. */
#ifndef MODEL_CHECKPOINT_LOAD_H
#define MODEL_CHECKPOINT_LOAD_H

#include "model/checkpoint/initialise.h"
#include "model/network/model.h"
#include "weights/folder.h"

/* An empty model; NULL when out of memory. */
mdl_model *mdl_model_new(const char *path, eng_error *err);

/* What config.json's root says that a model without a checkpoint is, by the class that it names; other classes lend their
 * backbone. */
wts_layout mdl_layout_named(const wts_value *root);

/* Reads config.json and preprocessor_config.json, or Microsoft's cfg, into m->config, and settles m->layout. file NULL:
 * there is no checkpoint, and folder->config is there. backbone_only: whatever stands around Hugging Face's backbone will
 * be replaced, so it need not be a head that is known. */
eng_status mdl_load_config(mdl_model *m, const wts_folder *folder, const wts_checkpoint *file, bool backbone_only,
                           eng_error *err);

typedef enum mdl_load_purpose {
    MDL_LOAD_TO_RUN,     /* weights packed as m->precision runs best here */
    MDL_LOAD_TO_CONVERT, /* packed as a file of m->precision has them, all listed in m->params */
    MDL_LOAD_TO_TRAIN    /* in plain memory with gradients, listed in m->params */
} mdl_load_purpose;

/* Fills a model whose config is read and whose precision is set. init NULL: everything comes from the file; else the head
 * is drawn (then m->config.labels is known, and the file's head is passed over), and the backbone too where init says so or
 * file is NULL. */
eng_status mdl_load_weights(mdl_model *m, const wts_checkpoint *file, const mdl_initialiser *init, mdl_load_purpose purpose,
                            const kern_table *k, eng_pool *pool, eng_error *err);

#endif
