/* Which container a file is. */
#include <string.h>

#include "weights/store.h"

eng_status wts_container_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    if (m->size >= 4 && memcmp(m->data, "PK\3\4", 4) == 0) return wts_torch_read(path, m, c, err);
    /* a header's length below 2^48, then the header */
    if (m->size >= 9 && m->data[8] == '{' && m->data[6] == 0 && m->data[7] == 0)
        return wts_safetensors_read(path, m, c, err);
    return wts_fail_foreign(path, m, err);
}
