/* Calling off what other threads run. */
#include "engine/memory.h"
#include "model/api/parts.h"

int wlm_cancel_new(wlm_cancel **out, wlm_error *err)
{
    eng_error e = {0};
    wlm_cancel *c = *out = eng_alloc(1, sizeof *c);
    if (!c) {
        eng_fail(&e, ENG_E_MEMORY, "out of memory");
        return mdl_api_report(&e, err);
    }
    atomic_init(&c->asked, false);
    return WLM_OK;
}

void wlm_cancel_free(wlm_cancel *c)
{
    eng_free(c);
}

void wlm_cancel_request(wlm_cancel *c)
{
    atomic_store_explicit(&c->asked, true, memory_order_relaxed);
}

void wlm_cancel_reset(wlm_cancel *c)
{
    atomic_store_explicit(&c->asked, false, memory_order_relaxed);
}
