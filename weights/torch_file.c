#include "weights/store.h"
eng_status wts_torch_read(const char *path, const wts_mapping *m, wts_checkpoint *c, eng_error *err)
{
    (void)m; (void)c;
    return eng_fail(err, ENG_E_UNSUPPORTED, "%s: a torch zip archive", path);
}
