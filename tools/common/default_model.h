/* The model that is used when none was named: weights/default of this project, or where it was installed. */
#ifndef TOOLS_COMMON_DEFAULT_MODEL_H
#define TOOLS_COMMON_DEFAULT_MODEL_H

#include <stdbool.h>
#include <stddef.h>

/* Its folder into out (size bytes): the environment variable WLM_MODEL; else the first of these that is there, seen from
 * the folder of this program: ../share/wavlm/default (installed), ../../weights/default (a build folder within the
 * sources); else where the build said that it would be. False when there is none. */
bool tool_default_model(char *out, size_t size);

#endif
