#include "model/tier.h"

#include <stdlib.h>

eng_status mdl_choose_tier(const char *name, kern_table *k, eng_error *err)
{
    kern_cpu cpu = kern_cpu_probe();
    kern_tier tier = cpu.best;
    if (!name) name = getenv("WLM_CPU");
    if (name && *name) {
        if (!kern_tier_parse(name, cpu.caps, &tier, &cpu.caps))
            return eng_fail(err, ENG_E_USAGE,
                            "unknown CPU tier \"%s\"; expected portable, neon, avx2 or avx512, without some of its extensions "
                            "where -bf16, -vnni, -amx or -dotprod follows",
                            name);
        if (!(cpu.tiers >> tier & 1))
            return eng_fail(err, ENG_E_USAGE, "CPU tier %s is not available here; the best is %s", kern_tier_name(tier),
                            kern_tier_name(cpu.best));
    }
    if (!kern_table_fill(k, tier, cpu.caps))
        return eng_fail(err, ENG_E_USAGE, "this build has no kernels for CPU tier %s", kern_tier_name(tier));
    return ENG_OK;
}
