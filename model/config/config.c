#include "model/config/config.h"

#include <stdint.h>

#include "engine/memory.h"

size_t mdl_config_pooled(const mdl_config *c)
{
    bool twice = c->pooling == MDL_POOL_STD || c->pooling == MDL_POOL_ATTENTIVE_STD;
    return twice ? 2 * c->hidden : c->hidden;
}

size_t mdl_config_frames(const mdl_config *c, size_t samples)
{
    for (size_t i = 0; i < c->convs; i++) {
        if (samples < c->conv_kernel[i]) return 0;
        samples = (samples - c->conv_kernel[i]) / c->conv_stride[i] + 1;
    }
    return samples;
}

size_t mdl_config_min_samples(const mdl_config *c)
{
    size_t need = 1;
    for (size_t i = c->convs; i-- > 0;)
        if (!eng_mul_size(need - 1, c->conv_stride[i], &need) || !eng_add_size(need, c->conv_kernel[i], &need))
            return SIZE_MAX;
    return need;
}

void mdl_config_fini(mdl_config *c)
{
    for (size_t i = 0; c->label && i < c->labels; i++) eng_free(c->label[i]);
    eng_free(c->label);
    wts_doc_free(c->source);
    *c = (mdl_config){0};
}
