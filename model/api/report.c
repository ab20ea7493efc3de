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
