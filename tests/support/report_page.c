/* Makes pages of infer's report without a model, for scripts and for looking at them:
 *
 *   report_page KIND PAGE TESTS      TESTS: the tests' folder, whose recordings are heard
 *     call        a call on two channels, agent and customer, with text; writes call.wav beside the page
 *     embedded    the same with its audio in the page
 *     folder      8 recordings of TESTS/data, one that cannot be read, and calls without audio: 5000 in all
 *     values      a recording with arousal, dominance and valence
 *     clip        one recording that was labelled whole
 *     hostile     names, labels and texts that would break a page
 *
 * Exit status 0, or 1 with the error on standard error. Rows are made up, and the same each time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "model/audio/audio.h"
#include "tools/infer/report/report.h"

enum { CLASSES = 7, CALLS = 4990, LONGEST_CALL = 3 };

static const char *const classes[CLASSES] = {"neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust"};
static const char *const values[] = {"arousal", "dominance", "valence"};
static const char *const clips[] = {"EB0_neutral_1.wav", "IC0_surprised_3.wav", "KD0_anger_54.wav", "KS0_happiness_54.wav",
                                    "SM0_sadness_16.wav", "TP0_fear_27.wav", "WR0_neutral_5.wav"};
static const size_t moods[] = {0, 5, 3, 1, 2, 4, 0}; /* of the clips */
enum { CLIPS = sizeof clips / sizeof *clips };

static void stop(const eng_error *err)
{
    fprintf(stderr, "report_page: %s\n", err->message);
    exit(1);
}

static double chance(uint64_t a, uint64_t b)
{
    double x = sin((double)a * 12.9898 + (double)b * 78.233 + 1) * 43758.5453;
    return x - floor(x);
}

/* Probabilities with a likely class. */
static void make_scores(float *scores, size_t likely, uint64_t seed)
{
    double sum = 0, raw[CLASSES];
    for (size_t i = 0; i < CLASSES; i++) {
        raw[i] = pow(chance(seed, i), 4) + 0.01 + (i == likely ? 1 + 2 * chance(seed, 99) : 0);
        sum += raw[i];
    }
    for (size_t i = 0; i < CLASSES; i++) scores[i] = (float)(raw[i] / sum);
}

static void add_row(infer_report *r, infer_report_row row, size_t likely, uint64_t seed)
{
    float scores[CLASSES];
    eng_error err;
    make_scores(scores, likely, seed);
    row.label = likely;
    if (!row.scores) row.scores = scores;
    if (infer_report_add(r, &row, &err)) stop(&err);
}

/* ---- Sound ---- */

static mdl_audio read_clip(const char *tests, size_t clip)
{
    char path[1024];
    eng_error err;
    mdl_audio audio;
    snprintf(path, sizeof path, "%s/data/%s", tests, clips[clip]);
    if (mdl_audio_read(path, &audio, &err)) stop(&err);
    return audio;
}

/* A call: clips in turn, on the two channels, with pauses. */
typedef struct call {
    float *channel[2];
    size_t samples;
    struct turn {
        size_t from, to, channel, clip;
    } turn[64];
    size_t turns;
} call;

static call make_call(const char *tests)
{
    call c = {0};
    mdl_audio audio[CLIPS];
    size_t total = 0, at = 8000;
    for (size_t i = 0; i < CLIPS; i++) {
        audio[i] = read_clip(tests, i);
        total += LONGEST_CALL * (audio[i].samples + 16000);
    }
    for (size_t i = 0; i < 2; i++) c.channel[i] = eng_alloc_zero(total + 16000, sizeof(float));
    if (!c.channel[0] || !c.channel[1]) exit(1);
    for (size_t n = 0; n < LONGEST_CALL * CLIPS; n++) {
        size_t clip = (n * 5 + n / CLIPS) % CLIPS, channel = n % 2;
        memcpy(c.channel[channel] + at, audio[clip].data, audio[clip].samples * sizeof(float));
        c.turn[c.turns++] = (struct turn){at, at + audio[clip].samples, channel, clip};
        at += audio[clip].samples + (size_t)(12000 * chance(n, 5));
    }
    c.samples = at + 8000;
    for (size_t i = 0; i < CLIPS; i++) mdl_audio_free(&audio[i]);
    return c;
}

static void hear(infer_sound *sound, const float *const *channel, size_t channels, size_t samples, size_t keep)
{
    eng_error err;
    if (infer_sound_init(sound, channels, keep, &err)) stop(&err);
    for (size_t at = 0; at < samples; at += 4321) { /* as a stream gives it */
        size_t n = samples - at < 4321 ? samples - at : 4321;
        const float *part[2] = {channel[0] + at, channels > 1 ? channel[1] + at : NULL};
        if (infer_sound_add(sound, part, n, &err)) stop(&err);
    }
}

static void end(infer_report *r, double seconds, infer_sound *sound)
{
    eng_error err;
    if (infer_report_end(r, seconds, sound, &err)) stop(&err);
    if (sound) infer_sound_fini(sound);
}

static void begin(infer_report *r, const char *name, const char *path)
{
    eng_error err;
    if (infer_report_begin(r, name, path, &err)) stop(&err);
}

/* ---- Pages ---- */

static void write_wav(infer_sound *sound, const char *page, char path[1024])
{
    const char *slash = strrchr(page, '/');
    snprintf(path, 1024, "%.*scall.wav", slash ? (int)(slash - page + 1) : 0, page);
    FILE *f = fopen(path, "wb");
    size_t size = infer_sound_wav_size(sound);
    if (!f || fwrite(infer_sound_wav(sound), 1, size, f) != size || fclose(f)) exit(1);
}

static void put_call(infer_report *r, const char *page, const char *tests)
{
    static const char *const said[] = {"Good morning, how can I help?", "I have called three times now.",
                                       "Let me look that up for you.", "That is what the last one said, too!"};
    call c = make_call(tests);
    char path[1024];
    infer_sound sound;
    hear(&sound, (const float *const *)c.channel, 2, c.samples, SIZE_MAX);
    write_wav(&sound, page, path);
    begin(r, "support/2026-11-03 call 0417.wav", path);
    for (size_t i = 0; i < c.turns; i++)
        add_row(r, (infer_report_row){.channel = c.turn[i].channel, .start = (double)c.turn[i].from / 16000,
                                      .end = (double)c.turn[i].to / 16000, .speaker = i % 2 ? "customer" : "agent",
                                      .text = i < 8 ? said[i % 4] : NULL, .error = i == 11 ? "too quiet to label" : NULL},
                moods[c.turn[i].clip], i);
    end(r, (double)c.samples / 16000, &sound);
    for (size_t i = 0; i < 2; i++) eng_free(c.channel[i]);
}

static void put_clip(infer_report *r, const char *tests, size_t clip)
{
    char path[1024];
    mdl_audio audio = read_clip(tests, clip);
    const float *channel[1] = {audio.data};
    infer_sound sound;
    snprintf(path, sizeof path, "%s/data/%s", tests, clips[clip]);
    hear(&sound, channel, 1, audio.samples, 0);
    begin(r, clips[clip], path);
    add_row(r, (infer_report_row){.channel = INFER_REPORT_MIXED, .end = (double)audio.samples / 16000}, moods[clip], clip);
    end(r, (double)audio.samples / 16000, &sound);
    mdl_audio_free(&audio);
}

/* Windows of 10 s every 5 s over half a minute to 20 minutes. */
static void put_windows(infer_report *r, size_t n)
{
    char name[64];
    double seconds = 30 + floor(1200 * pow(chance(n, 1), 3));
    size_t mood = (size_t)(CLASSES * pow(chance(n, 2), 2));
    snprintf(name, sizeof name, "2026-11/%02zu/call-%04zu.wav", n / 170 + 1, n);
    begin(r, name, NULL);
    for (size_t i = 0; (double)i * 5 + 10 <= seconds; i++) {
        if (chance(n, 1000 + i) < 0.2) mood = (size_t)(CLASSES * pow(chance(n, 2000 + i), 2));
        add_row(r, (infer_report_row){.channel = INFER_REPORT_MIXED, .start = 5 * (double)i, .end = 5 * (double)i + 10}, mood,
                n * 1000 + i);
    }
    end(r, seconds, NULL);
}

static void put_folder(infer_report *r, const char *tests)
{
    for (size_t i = 0; i < CLIPS; i++) put_clip(r, tests, i);
    begin(r, "broken.wav", NULL);
    add_row(r, (infer_report_row){.channel = INFER_REPORT_MIXED, .start = NAN, .end = NAN,
                                  .error = "broken.wav: 12 bytes, too short for a WAV file"}, 0, 0);
    end(r, NAN, NULL);
    for (size_t i = 0; i < CALLS + 2; i++) put_windows(r, i);
}

static void put_values(infer_report *r, const char *tests)
{
    call c = make_call(tests);
    infer_sound sound;
    hear(&sound, (const float *const *)c.channel, 1, c.samples, 0);
    begin(r, "interview.wav", NULL);
    double seconds = (double)c.samples / 16000;
    for (size_t i = 0; 2 * (double)i + 4 <= seconds; i++) {
        double t = (double)i;
        float v[3] = {(float)(0.5 + 0.3 * sin(t / 3)), (float)(0.55 + 0.1 * sin(t / 2 + 1)), (float)(0.4 + 0.25 * cos(t / 4))};
        add_row(r, (infer_report_row){.channel = 0, .start = 2 * t, .end = 2 * t + 4, .scores = v}, 0, i);
    }
    end(r, seconds, &sound);
    for (size_t i = 0; i < 2; i++) eng_free(c.channel[i]);
}

static void put_hostile(infer_report *r)
{
    static const char *const names[] = {"</script><script>document.title='broken'</script>", "<!--<script>", "\"'><img src=x>",
                                        "\xFF\xFE\x80.wav", "a\tb\nc\x01.wav", "javascript:alert(1)", "${1}`\\u003c"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        begin(r, names[i], names[i]);
        add_row(r, (infer_report_row){.channel = 0, .end = 2, .speaker = names[i], .text = names[i]}, i % CLASSES, i);
        add_row(r, (infer_report_row){.channel = 0, .start = 2, .end = 3, .error = names[i]}, 0, i);
        end(r, 3, NULL);
    }
}

int main(int argc, char **argv)
{
    static const char *const hostile[CLASSES] = {"</script>", "<b>", "\"", "'", "&amp;", "\xC3", ""};
    const char *kind = argc == 4 ? argv[1] : "";
    bool is_values = strcmp(kind, "values") == 0, is_hostile = strcmp(kind, "hostile") == 0;
    infer_report_spec spec = {.path = argc == 4 ? argv[2] : NULL, .model = is_hostile ? "</title><b>" : "wavlm-large-emotion",
                              .classes = is_values ? values : is_hostile ? hostile : classes,
                              .class_count = is_values ? 3 : CLASSES, .values = is_values,
                              .audio = strcmp(kind, "embedded") == 0 ? INFER_REPORT_EMBED : INFER_REPORT_LINK,
                              .embed_most = SIZE_MAX};
    const infer_report_fact facts[] = {{"Segments", "10 s every 5 s"}, {"Precision", "int8"}, {"Speed", "41 times real time"}};
    eng_error err;
    infer_report *r;
    if (argc != 4) {
        fprintf(stderr, "usage: report_page call|embedded|folder|values|clip|hostile PAGE TESTS\n");
        return 1;
    }
    if (infer_report_open(&spec, &r, &err)) stop(&err);
    if (!strcmp(kind, "call") || !strcmp(kind, "embedded")) put_call(r, argv[2], argv[3]);
    if (!strcmp(kind, "folder")) put_folder(r, argv[3]);
    if (!strcmp(kind, "clip")) put_clip(r, argv[3], 2);
    if (is_values) put_values(r, argv[3]);
    if (is_hostile) put_hostile(r);
    if (infer_report_close(r, facts, 3, &err)) stop(&err);
    return 0;
}
