#include "tests/support/support.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/random.h"

kern_table support_table(void)
{
    kern_cpu cpu = kern_cpu_probe();
    kern_tier tier = cpu.best;
    const char *name = getenv("WLM_CPU");
    kern_table k = {0};
    if (name && *name) cr_assert(kern_tier_parse(name, cpu.caps, &tier, &cpu.caps), "WLM_CPU=%s names no tier", name);
    if (!(cpu.tiers >> tier & 1)) cr_skip_test("this CPU lacks the %s tier", kern_tier_name(tier));
    cr_assert(kern_table_fill(&k, tier, cpu.caps));
    return k;
}

kern_table support_portable(void)
{
    kern_table k = {0};
    cr_assert(kern_table_fill(&k, KERN_TIER_PORTABLE, 0));
    return k;
}

bool support_emulated(void)
{
    const char *emulated = getenv("WLM_TEST_EMULATED");
    return emulated && *emulated;
}

support_engine *support_engine_new(size_t threads)
{
    support_engine *e = eng_alloc_zero(1, sizeof *e);
    cr_assert_not_null(e);
    e->ctx.k = support_table();
    eng_arena_init(&e->arena);
    e->ctx.arena = &e->arena;
    eng_error err = {0};
    cr_assert_eq(eng_pool_new(threads, &e->ctx.pool, &err), ENG_OK, "%s", err.message);
    return e;
}

void support_engine_free(support_engine *e)
{
    eng_pool_free(e->ctx.pool);
    eng_arena_fini(&e->arena);
    eng_free(e);
}

const char *support_path(const char *format, ...)
{
    static char paths[4][1024];
    static size_t turn;
    char *path = paths[turn++ % 4];
    const char *root = getenv("WLM_TEST_DATA");
    int n = snprintf(path, sizeof paths[0], "%s/", root && *root ? root : "tests");
    va_list args;
    va_start(args, format);
    vsnprintf(path + n, sizeof paths[0] - (size_t)n, format, args);
    va_end(args);
    return path;
}

float *support_normal(uint64_t seed, size_t n, float scale)
{
    float *x = eng_alloc(n, sizeof *x);
    cr_assert_not_null(x);
    eng_normal((eng_stream){.seed = seed}, 0, n, x);
    for (size_t i = 0; i < n; i++) x[i] *= scale;
    return x;
}

char *support_temporary(void)
{
    const char *base = getenv("TMPDIR");
    char template[512];
    snprintf(template, sizeof template, "%s/wavlm-test-XXXXXX", base && *base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(template), "cannot make %s", template);
    return eng_strdup(template);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void support_remove(char *directory)
{
    cr_assert_eq(nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0, "cannot remove %s", directory);
    eng_free(directory);
}

static char *entered; /* a test is a process of its own */

void support_enter(void)
{
    entered = support_temporary();
    cr_assert_eq(chdir(entered), 0);
}

void support_leave(void)
{
    cr_assert_eq(chdir("/"), 0);
    support_remove(entered);
    entered = NULL;
}

const char *support_folder(void)
{
    return entered;
}
