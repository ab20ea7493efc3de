#include "engine/gemm/precision.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {[ENG_F32] = "f32", [ENG_BF16] = "bf16", [ENG_INT8] = "int8"};

const char *eng_precision_name(eng_precision precision)
{
    return names[precision];
}

bool eng_precision_find(const char *name, eng_precision *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (eng_precision)i;
            return true;
        }
    return false;
}
