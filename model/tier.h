/* Which kernels to run on: the best that the CPU has, or those asked for. */
#ifndef MODEL_TIER_H
#define MODEL_TIER_H

#include "engine/error.h"
#include "kernels/kernels.h"

/* Fills k. name: "portable", "avx2", "avx512" or "neon", as kern_tier_parse reads it ("avx512-amx": without AMX); NULL: the
 * environment variable WLM_CPU, else the best. Error: an unknown tier, or one that this CPU or this build lacks. */
eng_status mdl_choose_tier(const char *name, kern_table *k, eng_error *err);

#endif
