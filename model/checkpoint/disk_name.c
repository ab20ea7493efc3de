#include "model/checkpoint/disk_name.h"

#include <string.h>

#include "weights/names.h"

const char *mdl_name_on_disk(const mdl_config *c, const char *name, char *buffer, size_t size)
{
    static const char prefix[] = "wavlm.";
    if (c->head == MDL_HEAD_ODYSSEY && wts_native_name(WTS_LAYOUT_ODYSSEY, name, buffer, size)) return buffer;
    bool bare = c->head == MDL_HEAD_NONE && strncmp(name, prefix, sizeof prefix - 1) == 0;
    return bare ? name + sizeof prefix - 1 : name;
}
