#include "tests/support/emotion_folder.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 8192, PATH_SIZE = 1024 };

/* Reads directory/name as text. */
static eng_status read_small(const char *directory, const char *name, char *text, eng_error *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *in = fopen(path, "r");
    if (!in) return eng_fail(err, ENG_E_IO, "%s: cannot open", path);
    size_t n = fread(text, 1, TEXT_SIZE - 1, in);
    text[n] = '\0';
    fclose(in);
    return n && n < TEXT_SIZE - 1 ? ENG_OK : eng_fail(err, ENG_E_FORMAT, "%s: empty or too long", path);
}

static eng_status write_small(const char *directory, const char *name, const char *head, const char *text,
                              eng_error *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "w");
    if (!out) return eng_fail(err, ENG_E_IO, "%s: cannot create", path);
    int written = fprintf(out, "%s%s", head, text);
    return fclose(out) == 0 && written > 0 ? ENG_OK : eng_fail(err, ENG_E_IO, "%s: cannot write", path);
}

static const char *metadata(const wts_checkpoint *c, const char *key)
{
    const wts_value *v = wts_value_get(c->extra, key);
    if (!v || v->kind != WTS_STRING) return "(absent)";
    return strcmp(v->text, "None") == 0 ? "none" : v->text;
}

/* The backbone's config.json with the head's fields in front. */
static eng_status write_config(const char *directory, const char *backbone, const wts_checkpoint *ser, eng_error *err)
{
    char text[TEXT_SIZE], head[1024], conditioning[128] = "";
    eng_status status = read_small(backbone, "config.json", text, err);
    if (status) return status;
    const char *fields = strstr(text, "\"model_type\"");
    const wts_tensor *projection = wts_checkpoint_find(ser, "weight.projection.weight");
    if (!projection) projection = wts_checkpoint_find(ser, "init.projection.weight");
    if (!fields || !projection) return eng_fail(err, ENG_E_MISSING, "%s: no model_type or projection", backbone);
    const char *gender = metadata(ser, "gender_conditioning"), *text_size = metadata(ser, "text_dim");
    if (strcmp(text_size, "0") != 0 && strcmp(text_size, "(absent)") != 0)
        snprintf(conditioning, sizeof conditioning, "\"text_conditioning\": \"%s\", \"text_embedding_size\": %s,\n",
                 gender, text_size);
    snprintf(head, sizeof head,
             "{\"architectures\": [\"WavLMForSpeechEmotion\"], \"pooling\": \"%s\", \"gender_conditioning\": \"%s\",\n"
             "%s\"classifier_proj_size\": %zu, \"num_labels\": 8,\n",
             metadata(ser, "pooling"), gender, conditioning, projection->shape[0]);
    return write_small(directory, "config.json", head, fields, err);
}

static eng_status add_tensors(wts_writer *w, const wts_checkpoint *from, const char *old_prefix, const char *new_prefix,
                              eng_error *err)
{
    size_t skip = strlen(old_prefix);
    eng_status status = ENG_OK;
    for (size_t i = 0; i < from->count && !status; i++) {
        const wts_tensor *t = &from->tensors[i];
        char name[256];
        if (strncmp(t->name, old_prefix, skip) != 0) continue;
        snprintf(name, sizeof name, "%s%s", new_prefix, t->name + skip);
        status = wts_writer_add(w, name, t->dtype, t->ndim, t->shape, t->data, err);
    }
    return status;
}

static eng_status write_weights(const char *directory, const char *backbone, const wts_checkpoint *ser, eng_error *err)
{
    char path[PATH_SIZE];
    wts_checkpoint upstream;
    wts_writer *w;
    snprintf(path, sizeof path, "%s/model.safetensors", backbone);
    eng_status status = wts_checkpoint_open(path, &upstream, err);
    if (status) return status;
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    status = wts_writer_open(path, 64, 4096, NULL, &w, err);
    if (!status) {
        bool first = wts_checkpoint_find(ser, "init.projection.weight") != NULL;
        status = add_tensors(w, &upstream, "", "wavlm.", err);
        if (!status) status = add_tensors(w, ser, first ? "init." : "weight.", "", err);
        if (status)
            wts_writer_abandon(w);
        else
            status = wts_writer_finish(w, err);
    }
    wts_checkpoint_close(&upstream);
    return status;
}

eng_status emotion_folder_write(const char *directory, const char *backbone, const wts_checkpoint *ser, eng_error *err)
{
    char text[TEXT_SIZE];
    eng_status status = read_small(backbone, "preprocessor_config.json", text, err);
    if (!status) status = write_small(directory, "preprocessor_config.json", "", text, err);
    if (!status) status = write_config(directory, backbone, ser, err);
    if (!status) status = write_weights(directory, backbone, ser, err);
    return status;
}
