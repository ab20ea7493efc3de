#include "weights/folder.h"
#include "engine/memory.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
static char *beside(const char *dir, const char *name)
{
    char b[4096];
    snprintf(b, sizeof b, "%s/%s", dir, name);
    struct stat st;
    if (stat(b, &st)) return NULL;
    return eng_strdup(b);
}
eng_status wts_folder_resolve(const char *path, wts_folder *f, eng_error *err)
{
    *f = (wts_folder){0};
    struct stat st;
    if (stat(path, &st)) return eng_fail(err, ENG_E_IO, "%s: not there", path);
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", path);
    if (S_ISDIR(st.st_mode)) {
        f->checkpoint = beside(path, "model.safetensors");
        if (!f->checkpoint) f->checkpoint = beside(path, "pytorch_model.bin");
        if (!f->checkpoint) return eng_fail(err, ENG_E_MISSING, "%s: no model.safetensors", path);
    } else {
        f->checkpoint = eng_strdup(path);
        char *s = strrchr(dir, '/');
        if (s)
            *s = 0;
        else
            strcpy(dir, ".");
    }
    f->config = beside(dir, "config.json");
    f->preprocessor = beside(dir, "preprocessor_config.json");
    return ENG_OK;
}
eng_status wts_folder_open(const wts_folder *f, wts_checkpoint *c, eng_error *err)
{
    return wts_checkpoint_open(f->checkpoint, c, err);
}
void wts_folder_fini(wts_folder *f)
{
    eng_free(f->checkpoint);
    eng_free(f->config);
    eng_free(f->preprocessor);
}
