#include "tools/common/default_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* out = folder/name, when there is a model in it. */
static bool has_model(const char *folder, const char *name, char *out, size_t size)
{
    char config[4200];
    if ((size_t)snprintf(out, size, "%s%s%s", folder, *name ? "/" : "", name) >= size) return false;
    snprintf(config, sizeof config, "%s/config.json", out);
    return access(config, R_OK) == 0;
}

/* The folder that this program lies in. */
static bool own_folder(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0) return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash) *slash = '\0';
    return slash != NULL;
}

bool tool_default_model(char *out, size_t size)
{
    const char *named = getenv("WLM_MODEL");
    if (named && *named) return (size_t)snprintf(out, size, "%s", named) < size;
    char own[3072];
    if (own_folder(own, sizeof own) &&
        (has_model(own, "../share/wavlm/default", out, size) || has_model(own, "../../weights/default", out, size)))
        return true;
    return has_model(WLM_INSTALLED_MODEL, "", out, size) || has_model(WLM_SOURCE_MODEL, "", out, size);
}
