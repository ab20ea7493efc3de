#include "model/checkpoint/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "model/checkpoint/disk_name.h"
#include "model/checkpoint/save_panels.h"
#include "model/config/write.h"
#include "weights/checkpoint.h"

enum { NAME_SIZE = 512 };

/* ---- Small files: written beside themselves, then renamed ---- */

typedef struct small_file {
    char *path, *part; /* part NULL: nothing was written */
} small_file;

/* a + b on the heap */
static char *concat(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *text = eng_alloc(n + m + 1, 1);
    if (!text) return NULL;
    memcpy(text, a, n);
    memcpy(text + n, b, m + 1);
    return text;
}

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text += n;
        length -= (size_t)n;
    }
    return fsync(fd) == 0;
}

/* Removes what was not committed. */
static void small_fini(small_file *f)
{
    if (f->part) unlink(f->part);
    eng_free(f->part);
    eng_free(f->path);
    *f = (small_file){0};
}

/* Writes path.part, on disk when this returns. */
static eng_status small_write(small_file *f, const char *path, const char *text, size_t length, eng_error *err)
{
    *f = (small_file){0};
    char *part = concat(path, ".part");
    f->path = eng_strdup(path);
    if (!f->path || !part) {
        eng_free(part);
        return eng_fail(err, ENG_E_MEMORY, "%s: out of memory while writing", path);
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        eng_status status = eng_fail(err, ENG_E_IO, "%s: cannot create: %s", part, strerror(errno));
        eng_free(part);
        return status;
    }
    f->part = part;
    bool written = write_whole(fd, text, length);
    int reason = errno;
    if (close(fd) != 0 && written) {
        written = false;
        reason = errno;
    }
    return written ? ENG_OK : eng_fail(err, ENG_E_IO, "%s: cannot write: %s", part, strerror(reason));
}

/* path is the new file from here on. */
static eng_status small_commit(small_file *f, eng_error *err)
{
    if (rename(f->part, f->path) != 0)
        return eng_fail(err, ENG_E_IO, "%s: cannot rename: %s", f->part, strerror(errno));
    eng_free(f->part);
    f->part = NULL;
    return ENG_OK;
}

eng_status mdl_write_text(const char *path, const char *text, size_t length, eng_error *err)
{
    small_file f;
    eng_status status = small_write(&f, path, text, length, err);
    if (!status) status = small_commit(&f, err);
    if (!status) wts_sync_folder(path);
    small_fini(&f);
    return status;
}

/* ---- The weights ---- */

/* The precision's name when the model is to be written as a converted one, else NULL. */
static const char *converted_precision(const mdl_model *m)
{
    for (size_t i = 0; i < m->params.count; i++)
        if (m->params.param[i].packed.panels) return eng_precision_name(m->precision);
    return NULL;
}

static eng_status add_param(wts_writer *w, const mdl_config *c, const mdl_param *p, eng_error *err)
{
    char buffer[NAME_SIZE];
    const char *name = mdl_name_on_disk(c, p->name, buffer, sizeof buffer);
    if (p->layout == MDL_PARAM_AS_IS) return wts_writer_add(w, name, WTS_F32, p->ndim, p->shape, p->data, err);
    float *turned = eng_alloc(p->count, sizeof *turned);
    if (!turned) return eng_fail(err, ENG_E_MEMORY, "out of memory for tensor %s", name);
    mdl_param_read(p, p->data, turned);
    eng_status status = wts_writer_add(w, name, WTS_F32, p->ndim, p->shape, turned, err);
    eng_free(turned);
    return status;
}

static eng_status write_params(const mdl_model *m, const char *path, wts_writer **w, eng_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL}; /* transformers refuses a file without it */
    size_t name_bytes = 0;
    for (size_t i = 0; i < m->params.count; i++) name_bytes += strlen(m->params.param[i].name) + 8;
    eng_status status = wts_writer_open(path, m->params.count, name_bytes, metadata, w, err);
    for (size_t i = 0; i < m->params.count && !status; i++) status = add_param(*w, &m->config, &m->params.param[i], err);
    return status;
}

/* Everything but the rename. *w NULL after an error. */
static eng_status write_weights(const mdl_model *m, const char *path, wts_writer **w, eng_error *err)
{
    *w = NULL;
    eng_status status = converted_precision(m) ? mdl_write_panels(m, path, w, err) : write_params(m, path, w, err);
    if (!status) status = wts_writer_complete(*w, err);
    if (status) {
        wts_writer_abandon(*w);
        *w = NULL;
    }
    return status;
}

/* ---- The folder ---- */

static eng_status write_small(small_file *f, const char *folder, const char *name, char *text, eng_error *err)
{
    *f = (small_file){0};
    char *path = concat(folder, name);
    eng_status status = !path || !text ? eng_fail(err, ENG_E_MEMORY, "%s%s: out of memory while writing", folder, name)
                                       : small_write(f, path, text, strlen(text), err);
    eng_free(path);
    eng_free(text);
    return status;
}

/* All three files lie complete beside their names before the first is renamed. */
static eng_status save_into(const mdl_model *m, const char *folder, eng_error *err)
{
    small_file config = {0}, preprocessor = {0};
    wts_writer *weights = NULL;
    char *path = concat(folder, "model.safetensors");
    eng_status status = path ? ENG_OK : eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
    mdl_config what = m->config;
    what.weight_precision = converted_precision(m);
    if (!status) status = write_small(&config, folder, "config.json", mdl_config_text(&what), err);
    if (!status)
        status = write_small(&preprocessor, folder, "preprocessor_config.json", mdl_preprocessor_text(&m->config), err);
    if (!status) status = write_weights(m, path, &weights, err);
    if (!status) status = small_commit(&config, err);
    if (!status) status = small_commit(&preprocessor, err);
    if (status) {
        wts_writer_abandon(weights);
    } else {
        status = wts_writer_finish(weights, err);
    }
    small_fini(&config);
    small_fini(&preprocessor);
    eng_free(path);
    return status;
}

eng_status mdl_model_save(const mdl_model *m, const char *folder, eng_error *err)
{
    if (m->params.count == 0)
        return eng_fail(err, ENG_E_USAGE, "%s: the model was loaded for inference: it has no weights to write", folder);
    bool made = mkdir(folder, 0777) == 0;
    if (!made && errno != EEXIST)
        return eng_fail(err, ENG_E_IO, "%s: cannot make the folder: %s", folder, strerror(errno));
    size_t n = strlen(folder);
    char *prefix = concat(folder, n && folder[n - 1] == '/' ? "" : "/");
    eng_status status = prefix ? save_into(m, prefix, err) : eng_fail(err, ENG_E_MEMORY, "%s: out of memory", folder);
    if (status && made) (void)rmdir(folder);
    eng_free(prefix);
    return status;
}
