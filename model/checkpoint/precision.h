/* Which of a model's weights have the precision that was asked for. */
#ifndef MODEL_CHECKPOINT_PRECISION_H
#define MODEL_CHECKPOINT_PRECISION_H

#include <stdbool.h>

#include "engine/gemm/precision.h"

typedef enum mdl_part {
    MDL_PART_CNN,      /* the feature encoder's convolutions */
    MDL_PART_POSITION, /* the positional convolution */
    MDL_PART_LAYERS,   /* the feature projection and the transformer's linear layers */
    MDL_PART_HEAD      /* pooling, conditioning, projection, classifier */
} mdl_part;

/* The precision of a part's weights in the file of a model converted to that precision, whatever CPU writes or reads it. */
eng_precision mdl_stored_precision(eng_precision model, mdl_part part);

/* Their precision in memory. bf16_is_fast: the CPU has fast instructions for bf16 (kern_table.bf16_is_fast), and the user
 * lets an int8 model use them (mdl_model.allow_bf16), at the price of bits that other CPUs do not give. Another than the
 * stored one only where that is f32. The reasons are in precision.c. */
eng_precision mdl_part_precision(eng_precision model, mdl_part part, bool bf16_is_fast);

#endif
