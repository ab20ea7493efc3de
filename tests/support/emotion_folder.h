/* A whole emotion model folder from the golden data, which hold backbone and head apart. */
#ifndef TESTS_SUPPORT_EMOTION_FOLDER_H
#define TESTS_SUPPORT_EMOTION_FOLDER_H

#include "weights/checkpoint.h"

/* Writes config.json, model.safetensors and preprocessor_config.json into the existing folder `directory`, as `train`
 * writes them: the backbone in folder `backbone` (golden/large or golden/base), the head `ser` (its ser_*.safetensors,
 * opened), or its adamw.safetensors, whose head before the first step it takes. Classes are named LABEL_0...; 8 of them. Errors name the file. */
eng_status emotion_folder_write(const char *directory, const char *backbone, const wts_checkpoint *ser, eng_error *err);

#endif
