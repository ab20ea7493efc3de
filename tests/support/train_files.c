#include "tests/support/train_files.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tests/support/files.h"
#include "tests/support/support.h"

static char *folder; /* a test is a process of its own */

void train_enter(void)
{
    folder = support_temporary();
    cr_assert_eq(chdir(folder), 0);
}

void train_leave(void)
{
    cr_assert_eq(chdir("/"), 0);
    support_remove(folder);
}

static int16_t sample(unsigned number, size_t i)
{
    uint64_t x = (uint64_t)number << 32 | i;
    x = (x ^ x >> 31) * UINT64_C(0x9E3779B97F4A7C15);
    return (int16_t)(x >> 40);
}

float train_sample(unsigned number, size_t i)
{
    return (float)sample(number, i) / 32768.0f;
}

void train_wav(const char *path, unsigned number, size_t samples)
{
    bytes b = {0};
    bytes_text(&b, "RIFF");
    bytes_uint(&b, 36 + 2 * samples, 4);
    bytes_text(&b, "WAVEfmt ");
    bytes_uint(&b, 16, 4);
    bytes_uint(&b, 1, 2); /* PCM */
    bytes_uint(&b, 1, 2); /* channel */
    bytes_uint(&b, 16000, 4);
    bytes_uint(&b, 32000, 4);
    bytes_uint(&b, 2, 2);
    bytes_uint(&b, 16, 2);
    bytes_text(&b, "data");
    bytes_uint(&b, 2 * samples, 4);
    for (size_t i = 0; i < samples; i++) bytes_uint(&b, (uint16_t)sample(number, i), 2);
    bytes_write(&b, path);
    bytes_free(&b);
}

void train_text(const char *path, const char *text)
{
    bytes b = {0};
    bytes_text(&b, text);
    bytes_write(&b, path);
    bytes_free(&b);
}

train_data train_load(const train_data_options *o)
{
    train_data d;
    eng_error err = {ENG_OK, ""};
    cr_assert_eq(train_data_load(o, &d, &err), ENG_OK, "%s", err.message);
    return d;
}

static void fail_report(void *arg, const char *message)
{
    (void)arg;
    cr_assert_fail("%s", message);
}

size_t train_scan(train_data *d, size_t threads, void (*report)(void *arg, const char *message), void *arg)
{
    eng_ranks *ranks;
    eng_error err = {0};
    size_t broken;
    cr_assert_eq(eng_ranks_open(NULL, NULL, NULL, &ranks, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(train_data_scan(d, ranks, threads, 400, report, arg, &broken, &err), ENG_OK, "%s", err.message);
    eng_ranks_close(ranks);
    return broken;
}

void train_scan_good(train_data *d)
{
    cr_assert_eq(train_scan(d, 2, fail_report, NULL), 0);
}
