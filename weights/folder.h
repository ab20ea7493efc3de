/* Where a model lies: a folder as Hugging Face writes it, or a checkpoint file with its config beside it. */
#ifndef WEIGHTS_FOLDER_H
#define WEIGHTS_FOLDER_H

#include "engine/error.h"
#include "weights/checkpoint.h"

/* Heap strings; NULL: there is no such file. */
typedef struct wts_folder {
    char *path;         /* the folder */
    char *checkpoint;   /* the file to open; NULL only after wts_folder_find */
    char *config;       /* config.json */
    char *preprocessor; /* preprocessor_config.json */
} wts_folder;

/* path is a folder or a checkpoint file. A folder's checkpoint is the first of model.safetensors,
 * model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json that is there, else its only file named
 * *.safetensors, *.pt, *.pth or *.bin. Errors name the folder and what was looked for. On failure *f holds nothing. */
eng_status wts_folder_resolve(const char *path, wts_folder *f, eng_error *err);

/* The same, but a folder that holds config.json and no weights of any kind is fine too: checkpoint is then NULL. A file
 * with weights in another format, or one whose writing or download was not finished, is an error that names it. */
eng_status wts_folder_find(const char *path, wts_folder *f, eng_error *err);

/* Opens f's checkpoint, sharded or not. */
eng_status wts_folder_open(const wts_folder *f, wts_checkpoint *c, eng_error *err);

void wts_folder_fini(wts_folder *f);

#endif
