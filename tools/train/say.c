/* What a run says on standard error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tools/train/run.h"

bool train_shows_progress(const train_run *r)
{
    return !r->o->quiet && isatty(STDERR_FILENO);
}

void train_say(const train_run *r, const char *format, ...)
{
    va_list args;
    if (r->o->quiet) return;
    fputs(train_shows_progress(r) ? "\r\033[Ktrain: " : "train: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void train_say_skipped(const train_run *r, train_feed *feed)
{
    char *skipped = train_feed_skipped(feed);
    for (char *line = skipped; line && *line;) {
        size_t length = strcspn(line, "\n");
        train_say(r, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    eng_free(skipped);
}
