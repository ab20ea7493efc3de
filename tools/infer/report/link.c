#include "tools/infer/report/link.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The folder of path as the system knows it; *name is what follows it in path. */
static eng_status folder_of(const char *path, char folder[PATH_MAX], const char **name, eng_error *err)
{
    char part[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    *name = slash ? slash + 1 : path;
    if (length >= sizeof part) return eng_fail(err, ENG_E_IO, "%s: the path is too long", path);
    memcpy(part, path, length);
    part[length] = 0;
    const char *asked = !slash ? "." : length ? part : "/";
    if (!realpath(asked, folder)) return eng_fail(err, ENG_E_IO, "%s: no folder %s: %s", path, asked, strerror(errno));
    return ENG_OK;
}

static void put_encoded(tool_text *t, const char *s)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (strchr(plain, *s))
            tool_text_bytes(t, s, 1);
        else
            tool_text_bytes(t, code, sizeof code);
    }
}

eng_status infer_report_link(tool_text *t, const char *page, const char *file, eng_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    const char *name;
    eng_status status = folder_of(page && strcmp(page, "-") != 0 ? page : "", from, &name, err);
    if (!status) status = folder_of(file, to, &name, err);
    if (status) return status;
    /* common: the bytes of the folders that both are in, up to a '/' or an end. */
    size_t common = 0;
    for (size_t i = 0;; i++) {
        if ((from[i] == '/' || !from[i]) && (to[i] == '/' || !to[i])) common = i;
        if (!from[i] || from[i] != to[i]) break;
    }
    const char *up = from + common, *down = to + common;
    while (*up == '/') up++;
    while (*down == '/') down++;
    if (*up) {
        tool_text_string(t, "../");
        for (; *up; up++)
            if (*up == '/') tool_text_string(t, "../");
    }
    if (*down) {
        put_encoded(t, down);
        tool_text_string(t, "/");
    }
    put_encoded(t, name);
    return ENG_OK;
}
