/* Writing a trainable model as Hugging Face and this project read it, or a converted one as this project alone does. */
#ifndef MODEL_CHECKPOINT_SAVE_H
#define MODEL_CHECKPOINT_SAVE_H

#include "model/network/model.h"

/* Writes config.json, preprocessor_config.json and model.safetensors into folder, which is made if it is not there. Each
 * file appears whole or not at all (written beside itself, synced, renamed), model.safetensors last. Tensors have Hugging
 * Face's names and layout, f32. What mdl_model_load makes of the folder computes the same bits as m.
 *
 * A model from mdl_model_load_to_convert is written as a converted one: weights as packed panels of mdl_stored_precision
 * (weights/README.md), config.json with "weight_precision". The folder must not be that of the checkpoint itself.
 * Error: I/O, naming the file; what was there before is then still there. */
eng_status mdl_model_save(const mdl_model *m, const char *folder, eng_error *err);

/* Writes text to path, whole or not at all. */
eng_status mdl_write_text(const char *path, const char *text, size_t length, eng_error *err);

#endif
