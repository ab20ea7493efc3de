/* What a run says on standard error. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/train/run.h"

bool train_shows_progress(const train_run *r)
{
    return r->leads && !r->o->quiet && isatty(STDERR_FILENO);
}

void train_say(const train_run *r, const char *format, ...)
{
    va_list args;
    if (r->o->quiet || !r->leads) return;
    fputs(train_shows_progress(r) ? "\r\033[Ktrain: " : "train: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
