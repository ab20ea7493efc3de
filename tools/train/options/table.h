/* The options of `train`: their names, what they may be, what --help says. */
#ifndef TOOLS_TRAIN_OPTIONS_TABLE_H
#define TOOLS_TRAIN_OPTIONS_TABLE_H

#include "tools/common/options.h"

/* Its options point into a train_options (options.h). */
extern const tool_program train_program;

#endif
