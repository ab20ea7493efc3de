/* One process: nobody to carry anything to. */
#include "engine/context.h"
#include "engine/ranks/carrier.h"

eng_status eng_carrier_open(int *argc, char ***argv, size_t *self, size_t *count, eng_error *err)
{
    (void)argc, (void)argv, (void)err;
    *self = 0;
    *count = 1;
    return ENG_OK;
}

void eng_carrier_close(void)
{
}

_Noreturn void eng_carrier_abort(int status)
{
    eng_abort(__FILE__, __LINE__, "several ranks", "a job of one process ends itself (status %d)", status);
}

eng_status eng_carrier_begin(int tag, const eng_message *send, size_t sends, const eng_message *receive, size_t receives,
                         eng_carrier_load **out, eng_error *err)
{
    (void)tag, (void)send, (void)receive;
    *out = NULL;
    if (sends || receives) return eng_fail(err, ENG_E_USAGE, "there is no other rank");
    return ENG_OK;
}

eng_status eng_carrier_test(eng_carrier_load *l, bool *done, bool *moved, eng_error *err)
{
    (void)l, (void)err;
    *done = true;
    *moved = false;
    return ENG_OK;
}

size_t eng_carrier_missing(const eng_carrier_load *l)
{
    (void)l;
    return 0;
}

void eng_carrier_free(eng_carrier_load *l)
{
    (void)l;
}
