/* A model on disk: which files belong together. */
#ifndef WEIGHTS_FOLDER_H
#define WEIGHTS_FOLDER_H

#include "weights/checkpoint.h"

/* Paths; NULL where there is no such file. Owned. */
typedef struct wts_folder {
    char *checkpoint, *config, *preprocessor;
} wts_folder;

/* path is a folder as Hugging Face writes it, or a checkpoint file; config.json and preprocessor_config.json lie beside
 * the checkpoint. On failure *out holds nothing. Free with wts_folder_fini. */
eng_status wts_folder_resolve(const char *path, wts_folder *out, eng_error *err);

/* Opens the checkpoint, sharded or not. */
eng_status wts_folder_open(const wts_folder *folder, wts_checkpoint *c, eng_error *err);
void wts_folder_fini(wts_folder *f);

#endif
