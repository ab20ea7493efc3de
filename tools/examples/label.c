/* Labels recordings: the emotion, its probability, and the first numbers of the embedding.
 *
 *     cc label.c -o label $(pkg-config --cflags --libs wavlm)
 *     ./label MODEL call.wav meeting.mp3 */
#include <stdio.h>
#include <wlm.h>

static int label(wlm_model *model, const char *path)
{
    wlm_error err;
    wlm_audio *audio;
    if (wlm_audio_read(path, &audio, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    wlm_audio_mix(audio); /* several channels to one */
    wlm_input input = {.samples = wlm_audio_samples(audio, 0), .count = wlm_audio_count(audio)};
    wlm_result *result;
    int failed = wlm_run(model, 1, &input, WLM_EMBEDDINGS, &result, &err);
    if (failed) {
        fprintf(stderr, "%s: %s\n", path, err.message);
    } else {
        size_t size, best = wlm_result_best(result, 0);
        const float *embedding = wlm_result_embedding(result, 0, &size);
        const char *name = wlm_model_label(model, best);
        if (name) printf("%s: %s %.3f", path, name, (double)wlm_result_scores(result, 0)[best]);
        else printf("%s: no head", path);
        printf("; embedding of %zu numbers: %g %g ...\n", size, (double)embedding[0], (double)embedding[1]);
    }
    wlm_result_free(result);
    wlm_audio_free(audio);
    return failed != 0;
}

int main(int argc, char **argv)
{
    wlm_error err;
    wlm_model *model;
    if (argc < 3) {
        fprintf(stderr, "usage: label MODEL FILE...\n");
        return 2;
    }
    if (wlm_model_open(argv[1], NULL, &model, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = 0;
    for (int i = 2; i < argc; i++) failed |= label(model, argv[i]);
    wlm_model_close(model);
    return failed;
}
