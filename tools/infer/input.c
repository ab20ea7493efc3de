/* What a model that is conditioned wants of a row: a gender, a text embedding. */
#include <stdio.h>
#include <strings.h>

#include "tools/infer/infer.h"

const char *infer_row_gender(const infer *f, size_t row, const char **bad)
{
    static const char *const names[] = {NULL, "female", "male"};
    const char *value = tool_list_value(&f->list, row, f->gender_column);
    *bad = NULL;
    if (strcasecmp(value, "female") == 0 || strcasecmp(value, "f") == 0) return "female";
    if (strcasecmp(value, "male") == 0 || strcasecmp(value, "m") == 0) return "male";
    if (*value) *bad = value;
    return names[f->o.gender];
}

bool infer_row_text(const infer *f, size_t row, float *out, char *message, size_t size)
{
    char stem[1024];
    tool_stem(f->list.rows[row].file, stem, sizeof stem);
    const wts_tensor *t = wts_checkpoint_find(&f->text, stem);
    size_t want = wlm_model_text_size(f->model);
    eng_error err = {0};
    if (!t)
        snprintf(message, size, "no text embedding: %s has no tensor %s", f->o.text, stem);
    else if (t->count != want)
        snprintf(message, size, "text embedding %s has %zu numbers; the model expects %zu", stem, t->count, want);
    else if (wts_tensor_read_f32(t, &f->portable, 0, want, out, &err))
        snprintf(message, size, "text embedding %s", err.message);
    else
        return true;
    return false;
}
