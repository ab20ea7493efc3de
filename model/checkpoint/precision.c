/* Measured with `bench quality` on 378 recordings and on WavLM Large (README.md, "Precision", has the table):
 *
 * - int8 in the CNN did more harm than everywhere else together: its rows are stretches of waveform or of the layer
 *   before, of which a few values are large, and one scale a row leaves little for the others. The least cosine of a
 *   frame's last hidden state fell from 0.998 to 0.969 on the default model, from 0.99939 to 0.99864 on Large. So the
 *   CNN stays out, and with it what costs next to nothing: the positional convolution and the head.
 * - These in f32 or in bf16: 0.99939 and 0.99937 on Large, so quality does not decide, speed does: bf16 takes a third of
 *   the time where the CPU has instructions for it, and 8 % more of a pass of WavLM Base than f32 where it has none,
 *   as most CPUs with instructions for 8-bit products. A file has f32, which serves both.
 * - bf16 in the CNN and the positional convolution: as harmless as in the layers. The head stays f32: it is less than a
 *   hundredth of the work, and what it rounds goes straight into the scores. */
#include "model/checkpoint/precision.h"

eng_precision mdl_stored_precision(eng_precision model, mdl_part part)
{
    if (part == MDL_PART_LAYERS) return model;
    if (part == MDL_PART_HEAD || model == ENG_INT8) return ENG_F32;
    return model;
}

eng_precision mdl_part_precision(eng_precision model, mdl_part part, bool bf16_is_fast)
{
    if (model == ENG_INT8 && bf16_is_fast && (part == MDL_PART_CNN || part == MDL_PART_POSITION)) return ENG_BF16;
    return mdl_stored_precision(model, part);
}
