/* Recordings: read, mixed, handed out. */
#include "model/audio/audio.h"

#include "model/api/parts.h"

struct wlm_audio {
    mdl_audio audio;
};

int wlm_audio_read(const char *path, wlm_audio **out, wlm_error *err)
{
    eng_error e = {0};
    *out = NULL;
    wlm_audio *a = eng_alloc_zero(1, sizeof *a);
    /* Not e.status: that of a first attempt stays there when ffmpeg succeeded after it. */
    eng_status status = a ? mdl_audio_read(path, &a->audio, &e) : eng_fail(&e, ENG_E_MEMORY, "%s: out of memory", path);
    if (status) {
        eng_free(a);
        return mdl_api_report(&e, err);
    }
    *out = a;
    return WLM_OK;
}

void wlm_audio_free(wlm_audio *a)
{
    if (!a) return;
    mdl_audio_free(&a->audio);
    eng_free(a);
}

size_t wlm_audio_channels(const wlm_audio *a)
{
    return a->audio.channels;
}

size_t wlm_audio_count(const wlm_audio *a)
{
    return a->audio.samples;
}

const float *wlm_audio_samples(const wlm_audio *a, size_t c)
{
    return c < a->audio.channels ? a->audio.data + c * a->audio.stride : NULL;
}

void wlm_audio_mix(wlm_audio *a)
{
    mdl_audio_mix(&a->audio);
}
