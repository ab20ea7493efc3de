/* The weights' file of a converted model (weights/README.md has the format). */
#ifndef MODEL_CHECKPOINT_SAVE_PANELS_H
#define MODEL_CHECKPOINT_SAVE_PANELS_H

#include "model/network/model.h"
#include "weights/checkpoint.h"

/* Opens path for a model that mdl_model_load_to_convert loaded, and writes its weights as panels, then everything else
 * in f32. What can be aligned to 64 bytes comes first. On failure *w, if it is set, is the caller's to abandon. */
eng_status mdl_write_panels(const mdl_model *m, const char *path, wts_writer **w, eng_error *err);

#endif
