/* Which of a model's weights have the precision that was asked for. */
#ifndef MODEL_PRECISION_H
#define MODEL_PRECISION_H

#include "engine/precision.h"

typedef enum mdl_part {
    MDL_PART_CNN,      /* the feature encoder's convolutions */
    MDL_PART_POSITION, /* the positional convolution */
    MDL_PART_LAYERS,   /* the feature projection and the transformer's linear layers */
    MDL_PART_HEAD      /* pooling, conditioning, projection, classifier */
} mdl_part;

/* The precision of a part's weights in a model of that precision. The reasons are in precision.c. */
eng_precision mdl_part_precision(eng_precision model, mdl_part part);

#endif
