/* Microsoft's WavLM-*.pt carry their configuration themselves (unilm/wavlm/WavLM.py, class WavLMConfig). */
#ifndef MODEL_CONFIG_MICROSOFT_H
#define MODEL_CONFIG_MICROSOFT_H

#include "model/config/config.h"
#include "model/config/reader.h"

/* Fills the backbone and the input rule of c from the cfg dict that r reads. Failures are recorded in r. */
void mdl_config_read_microsoft(mdl_reader *r, mdl_config *c);

/* Parses the Python expression in cfg.conv_feature_layers, sums of lists of (dim, kernel, stride) that may be repeated:
 * "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2". Returns false when text is anything else or has more than
 * MDL_MAX_CONVS layers. */
bool mdl_parse_conv_layers(const char *text, mdl_config *c);

#endif
