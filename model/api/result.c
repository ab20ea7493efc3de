/* What a run gave. */
#include "engine/memory.h"
#include "model/api/parts.h"

void wlm_result_free(wlm_result *r)
{
    if (!r) return;
    for (size_t u = 0; r->hidden && u < r->n; u++) eng_free(r->hidden[u]);
    eng_free(r->hidden);
    eng_free(r->frames);
    eng_free(r->span);
    eng_free(r->embedding);
    eng_free(r->failure);
    eng_free(r->logits);
    eng_free(r->scores);
    eng_free(r);
}

static bool was_run(const wlm_result *r, size_t u)
{
    return u < r->n && !(r->failure && r->failure[u].status);
}

size_t wlm_result_count(const wlm_result *r)
{
    return r->n;
}

void wlm_result_span(const wlm_result *r, size_t u, size_t *begin, size_t *end)
{
    *begin = u < r->n ? r->span[u][0] : 0;
    *end = u < r->n ? r->span[u][1] : 0;
}

int wlm_result_status(const wlm_result *r, size_t u, wlm_error *err)
{
    return u >= r->n || was_run(r, u) ? WLM_OK : mdl_api_report(&r->failure[u], err);
}

const float *wlm_result_logits(const wlm_result *r, size_t u)
{
    return r->labels && was_run(r, u) ? r->logits + u * r->labels : NULL;
}

const float *wlm_result_scores(const wlm_result *r, size_t u)
{
    return r->labels && was_run(r, u) ? r->scores + u * r->labels : NULL;
}

size_t wlm_result_best(const wlm_result *r, size_t u)
{
    const float *scores = wlm_result_scores(r, u);
    size_t best = 0;
    for (size_t i = 1; scores && i < r->labels; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

const float *wlm_result_embedding(const wlm_result *r, size_t u, size_t *size)
{
    if (!r->embedding || !was_run(r, u)) return NULL;
    *size = r->pooled;
    return r->embedding + u * r->pooled;
}

const float *wlm_result_hidden_states(const wlm_result *r, size_t u, size_t *states, size_t *frames, size_t *width)
{
    if (!r->hidden || !was_run(r, u)) return NULL;
    *states = r->states;
    *frames = r->frames[u];
    *width = r->width;
    return r->hidden[u];
}
