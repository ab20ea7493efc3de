/* What a run's options do not do, or do unasked: said once, at its start. */
#include "model/audio/audio.h"
#include "tools/train/run.h"

static void note_idle_options(const train_run *r)
{
    const train_options *o = r->o;
    const struct {
        bool idle;
        const char *note;
    } notes[] = {
        {o->loss != TRAIN_CCC && o->range, "--attribute-range does nothing without --loss ccc"},
        {o->loss != TRAIN_FOCAL && o->focal_gamma != 2, "--focal-gamma does nothing without --loss focal"},
        {o->text && !r->text, "--text-embeddings does nothing: the model is not conditioned on text"},
        {o->noise_snr && !(o->noise > 0), "--noise-snr does nothing without --noise"},
        {o->mask_time_length && !(r->rates.mask_time_prob > 0), "--mask-time-length does nothing: no time is masked"},
        {o->mask_feature_length && !(r->rates.mask_feature_prob > 0),
         "--mask-feature-length does nothing: no channels are masked"},
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (notes[i].idle) train_say(r, "%s", notes[i].note);
}

static void note_crops(const train_run *r)
{
    double crop = r->o->crop;
    size_t longer = 0;
    for (size_t i = 0; i < r->data.count; i++) {
        const train_example *e = &r->data.example[i];
        longer += e->split == TRAIN_TRAIN && !e->broken && (double)e->samples > crop * MDL_SAMPLE_RATE;
    }
    if (crop > 0 && longer)
        train_say(r, "%zu recordings to train on are longer than %g s, and so much of each is taken, %s (--crop 0: all)",
                  longer, crop, r->o->no_shuffle ? "from its start" : "from another place each time");
}

void train_note_options(const train_run *r)
{
    note_crops(r);
    note_idle_options(r);
}
