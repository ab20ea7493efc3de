/* What a saved model's tensors are called. */
#ifndef MODEL_CHECKPOINT_DISK_NAME_H
#define MODEL_CHECKPOINT_DISK_NAME_H

#include <stddef.h>

#include "model/config/config.h"

/* How the model's class spells a parameter: name itself, a part of it, or buffer (size bytes). A bare WavLMModel has no
 * prefix. */
const char *mdl_name_on_disk(const mdl_config *c, const char *name, char *buffer, size_t size);

#endif
