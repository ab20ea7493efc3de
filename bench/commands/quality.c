/* bench quality: what a precision below f32 changes in a model's results, on real clips: labels, scores and macro-F1,
 * and hidden states by the cosine of each frame's angle. No time is measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/work/network.h"
#include "model/audio/audio.h"
#include "model/checkpoint/create.h"
#include "model/training/metrics.h"
#include "tools/common/default_model.h"
#include "tools/common/list.h"
#include "weights/value.h"

enum { PRECISIONS = 3 }; /* eng_precision; f32 is what the others are compared with */

/* What one precision of a model gave, over all clips. */
typedef struct quality_side {
    mdl_model *m;
    float *scores;     /* of the clip at hand, [labels] */
    size_t *predicted; /* of the labelled clips, [rows] */
    size_t changed;
    double largest;
    double *cosine_sum, *cosine_least; /* [layers + 1] */
} quality_side;

typedef struct quality {
    bench_run *run;
    const char *name;
    tool_list list;
    size_t emotion, gender; /* columns */
    quality_side side[PRECISIONS];
    bool measured[PRECISIONS];
    size_t states, labels;
    float **hidden; /* [states] of f32's [frames * width], of the clip at hand */
    size_t *truth;  /* [rows] */
    size_t clips, labelled, frames;
    double seconds;
} quality;

/* ---- Hidden states ---- */

static void keep_states(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    quality *q = arg;
    (void)batch;
    if (stage != MDL_STAGE_HIDDEN) return;
    q->hidden[index] = eng_alloc(x.rows * x.cols, sizeof(float));
    for (size_t i = 0; q->hidden[index] && i < x.rows; i++)
        memcpy(q->hidden[index] + i * x.cols, eng_row(x, i), x.cols * sizeof(float));
    if (index == 0) q->frames += x.rows;
}

typedef struct compared {
    quality *q;
    quality_side *side;
} compared;

static void compare_states(void *arg, mdl_stage stage, size_t index, eng_batch batch, eng_tensor x)
{
    const compared *c = arg;
    (void)batch;
    if (stage != MDL_STAGE_HIDDEN || !c->q->hidden[index]) return;
    for (size_t i = 0; i < x.rows; i++) {
        const float *a = c->q->hidden[index] + i * x.cols, *b = eng_row(x, i);
        double ab = 0, aa = 0, bb = 0;
        for (size_t j = 0; j < x.cols; j++) {
            ab += (double)a[j] * b[j];
            aa += (double)a[j] * a[j];
            bb += (double)b[j] * b[j];
        }
        const double cosine = ab / sqrt(aa * bb);
        c->side->cosine_sum[index] += cosine;
        if (!(cosine >= c->side->cosine_least[index])) c->side->cosine_least[index] = cosine;
    }
}

/* ---- A clip ---- */

static size_t best_of(size_t n, const float *scores)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

static eng_status run_side(quality *q, eng_precision p, const mdl_input *input, eng_error *err)
{
    quality_side *s = &q->side[p];
    compared with = {q, s};
    mdl_observer observer = {p == ENG_F32 ? keep_states : compare_states, p == ENG_F32 ? (void *)q : &with};
    eng_status status = mdl_forward(s->m, &q->run->ctx, 1, input, s->scores, &observer, err);
    if (status || !q->labels) return status;
    if (!s->m->config.regression) q->run->ctx.k.softmax_f32(q->labels, s->scores, s->scores);
    const quality_side *exact = &q->side[ENG_F32];
    for (size_t i = 0; i < q->labels; i++) {
        const double change = fabs((double)s->scores[i] - (double)exact->scores[i]);
        if (!(change <= s->largest)) s->largest = change;
    }
    size_t best = best_of(q->labels, s->scores);
    s->changed += best != best_of(q->labels, exact->scores);
    s->predicted[q->labelled] = best;
    return ENG_OK;
}

static eng_status run_row(quality *q, size_t row, eng_error *err)
{
    const mdl_config *c = &q->side[ENG_F32].m->config;
    mdl_audio audio;
    eng_status status = mdl_audio_read(q->list.rows[row].path, &audio, err);
    if (status) return status;
    mdl_audio_mix(&audio);
    bool male = strcmp(tool_list_value(&q->list, row, q->gender), "male") == 0;
    float *text = eng_alloc_zero(c->text_size, sizeof *text);
    mdl_input input = {audio.data, audio.samples, male ? c->male : c->female, text};
    if (!text) status = eng_fail(err, ENG_E_MEMORY, "out of memory for a clip");
    for (size_t p = 0; p < PRECISIONS && !status; p++)
        if (q->measured[p]) status = run_side(q, (eng_precision)p, &input, err);
    bool known =
        !c->regression && mdl_find_label(c, tool_list_value(&q->list, row, q->emotion), &q->truth[q->labelled]);
    q->clips++;
    q->labelled += known;
    q->seconds += (double)audio.samples / MDL_SAMPLE_RATE;
    for (size_t i = 0; i < q->states; i++) {
        eng_free(q->hidden[i]);
        q->hidden[i] = NULL;
    }
    eng_free(text);
    mdl_audio_free(&audio);
    return status;
}

/* ---- A model ---- */

static void close_sides(quality *q)
{
    for (size_t p = 0; p < PRECISIONS; p++) {
        quality_side *s = &q->side[p];
        mdl_model_free(s->m);
        eng_free(s->scores);
        eng_free(s->predicted);
        eng_free(s->cosine_sum);
        eng_free(s->cosine_least);
        *s = (quality_side){0};
    }
    eng_free(q->hidden);
    eng_free(q->truth);
}

static eng_status open_side(quality *q, eng_precision p, eng_error *err)
{
    quality_side *s = &q->side[p];
    eng_status status = bench_open(q->run, q->name, false, &p, &q->run->ctx.k, &s->m, err);
    if (status) return status;
    q->states = s->m->config.layers + 1;
    q->labels = s->m->config.head == MDL_HEAD_NONE ? 0 : s->m->config.labels;
    s->scores = eng_alloc_zero(q->labels, sizeof *s->scores);
    s->predicted = eng_alloc(q->list.row_count, sizeof *s->predicted);
    s->cosine_sum = eng_alloc_zero(q->states, sizeof *s->cosine_sum);
    s->cosine_least = eng_alloc(q->states, sizeof *s->cosine_least);
    if (!s->scores || !s->predicted || !s->cosine_sum || !s->cosine_least)
        return eng_fail(err, ENG_E_MEMORY, "out of memory for %s", q->name);
    for (size_t i = 0; i < q->states; i++) s->cosine_least[i] = 1;
    return ENG_OK;
}

static eng_status macro_f1(const quality *q, const quality_side *s, double *out, eng_error *err)
{
    mdl_class_scores scores;
    *out = NAN;
    if (!q->labelled) return ENG_OK;
    eng_status status = mdl_class_scores_init(&scores, q->labels, q->labelled, q->truth, s->predicted, err);
    if (!status) *out = scores.macro_f1;
    mdl_class_scores_fini(&scores);
    return status;
}

/* ---- Lines ---- */

static void put_json(const char *key, double value)
{
    if (isfinite(value))
        printf(", \"%s\": %.9g", key, value);
    else
        printf(", \"%s\": null", key);
}

static void begin_line(const quality *q, const quality_side *s)
{
    char quoted[4096];
    const char *precision = eng_precision_name(s->m->precision);
    if (!q->run->options->json) {
        printf("quality %s, %s, %zu clips, %.1f s  ", q->name, precision, q->clips, q->seconds);
        return;
    }
    bool fits = wts_json_quote(quoted, sizeof quoted, q->name) < sizeof quoted;
    printf("{\"bench\": \"quality\", \"engine\": \"wavlm.c\", \"model\": %s, \"precision\": \"%s\", \"threads\": %zu, "
           "\"clips\": %zu",
           fits ? quoted : "\"...\"", precision, q->run->threads, q->clips);
    put_json("seconds_audio", q->seconds);
}

static void print_scores(const quality *q, const quality_side *s, double exact, double f1)
{
    const bool classes = !s->m->config.regression;
    begin_line(q, s);
    if (q->run->options->json) {
        put_json("labels_changed", classes ? (double)s->changed : NAN);
        put_json("max_score_change", s->largest);
        put_json("labelled", (double)q->labelled);
        put_json("macro_f1_f32", exact);
        put_json("macro_f1", f1);
        printf("}\n");
        return;
    }
    if (classes) printf("%zu labels changed, ", s->changed);
    printf("scores by up to %.2g", s->largest);
    if (isfinite(f1)) printf(", macro-F1 %.4f, in f32 %.4f", f1, exact);
    putchar('\n');
}

static void print_states(const quality *q, const quality_side *s)
{
    for (size_t i = 0; i < q->states; i++) {
        const double mean = s->cosine_sum[i] / (double)q->frames;
        begin_line(q, s);
        if (q->run->options->json) {
            printf(", \"hidden_state\": %zu, \"frames\": %zu", i, q->frames);
            put_json("cosine_mean", mean);
            put_json("cosine_least", s->cosine_least[i]);
            printf("}\n");
        } else {
            printf("hidden state %2zu: cosine %.6f, least %.6f\n", i, mean, s->cosine_least[i]);
        }
    }
}

static eng_status print_all(const quality *q, eng_error *err)
{
    double exact = NAN, f1;
    eng_status status = q->labels ? macro_f1(q, &q->side[ENG_F32], &exact, err) : ENG_OK;
    for (size_t p = 1; p < PRECISIONS && !status; p++) {
        const quality_side *s = &q->side[p];
        if (!q->measured[p]) continue;
        if (q->labels) status = macro_f1(q, s, &f1, err);
        if (q->labels && !status) print_scores(q, s, exact, f1);
        if (!status) print_states(q, s);
    }
    fflush(stdout);
    return status;
}

static eng_status measure(quality *q, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t p = 0; p < PRECISIONS && !status; p++)
        if (q->measured[p]) status = open_side(q, (eng_precision)p, err);
    if (!status) {
        q->hidden = eng_alloc_zero(q->states, sizeof *q->hidden);
        q->truth = eng_alloc(q->list.row_count, sizeof *q->truth);
        if (!q->hidden || !q->truth) status = eng_fail(err, ENG_E_MEMORY, "out of memory for %s", q->name);
    }
    for (size_t i = 0; i < q->list.row_count && !status; i++) status = run_row(q, i, err);
    if (!status) status = print_all(q, err);
    close_sides(q);
    return status;
}

bool bench_quality(bench_run *run, size_t n, char **operands)
{
    static char clips[] = BENCH_CLIPS, large[] = "large";
    char own[4096];
    eng_error err = {0};
    char *list[] = {run->options->data ? (char *)(uintptr_t)run->options->data : clips}, *usual[] = {own, large};
    quality q = {.run = run, .measured = {true, true, true}};
    if (run->options->precision == ENG_F32) {
        fprintf(stderr, "bench: --precision f32: quality compares bf16 and int8 with f32\n");
        return false;
    }
    if (run->options->precision != SIZE_MAX)
        for (size_t p = 1; p < PRECISIONS; p++) q.measured[p] = p == run->options->precision;
    if (n == 0 && !tool_default_model(own, sizeof own)) {
        fprintf(stderr, "bench: the default model is not there: name one\n");
        return false;
    }
    if (n == 0) n = 2, operands = usual;
    eng_status status = tool_list_load(list, 1, &q.list, &err);
    q.emotion = tool_list_column(&q.list, "emotion");
    q.gender = tool_list_column(&q.list, "gender");
    for (size_t i = 0; i < n && !status; i++) {
        quality one = q;
        one.name = operands[i];
        status = measure(&one, &err);
    }
    tool_list_free(&q.list);
    if (status) run->ctx.error = err;
    return true;
}
