/* From the options to a run that can begin: data, model, optimizer. */
#ifndef TOOLS_TRAIN_SETUP_H
#define TOOLS_TRAIN_SETUP_H

#include "tools/train/run.h"

/* Loads what r->o asks for into r (zeroed but for o). Returns 0, or the exit status after a message on standard error.
 * Free with train_teardown in any case. */
int train_setup(train_run *r);
void train_teardown(train_run *r);

#endif
