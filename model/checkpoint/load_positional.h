/* The positional convolution's weight, from its weight-normalised form. */
#ifndef MODEL_CHECKPOINT_LOAD_POSITIONAL_H
#define MODEL_CHECKPOINT_LOAD_POSITIONAL_H

#include "model/checkpoint/loader.h"
#include "model/network/model.h"

/* Fills m->pos_conv and m->pos_bias. weight_norm with dim = 2 (torch.nn.utils.weight_norm): the weight of tap t is
 * g[t] * v[:, :, t] / ||v[:, :, t]||, v [hidden, hidden / groups, kernel], g [1, 1, kernel]. A checkpoint whose weight
 * norm was removed holds conv.weight itself. */
void mdl_load_positional(mdl_loader *l, mdl_model *m);

#endif
