/* What loading the backbone and the head share, and both; for load.c. */
#ifndef MODEL_CHECKPOINT_LOAD_PARTS_H
#define MODEL_CHECKPOINT_LOAD_PARTS_H

#include "model/checkpoint/loader.h"
#include "model/network/model.h"

/* A tensor's name under construction. */
typedef struct mdl_name {
    char text[256];
} mdl_name;

/* As printf; what does not fit is cut off. */
mdl_name mdl_name_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* name.weight [out, in] and name.bias [out]. What goes wrong is the loader's to keep, here and below. */
mdl_linear mdl_load_linear(mdl_loader *l, const char *name, size_t out, size_t in);

/* name.weight [n] and name.bias [n]. */
mdl_norm mdl_load_norm(mdl_loader *l, const char *name, size_t n);

/* Everything from the waveform to the last hidden state, by m->config. */
void mdl_load_backbone(mdl_loader *l, mdl_model *m);

/* What m->config.head has on top; settles the number of labels, and the width of an Odyssey head. */
void mdl_load_head(mdl_loader *l, mdl_model *m);

#endif
