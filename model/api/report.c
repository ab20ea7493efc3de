#include "model/api/parts.h"

#include <stdio.h>

int mdl_api_report(const eng_error *from, wlm_error *err)
{
    if (err) {
        err->status = (int)from->status;
        snprintf(err->message, sizeof err->message, "%s", from->message);
    }
    return (int)from->status;
}

eng_status mdl_api_check_reserved(const size_t *reserved, size_t count, const char *name, eng_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (reserved[i])
            return eng_fail(err, ENG_E_UNSUPPORTED,
                            "%s: a field is set that version %s of the library does not know: zero-initialise the struct, or "
                            "use a newer library", name, WLM_VERSION);
    return ENG_OK;
}
