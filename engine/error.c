#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names out of files may hold anything: control characters would break the line or steer a terminal. */
static void make_one_line(char *message)
{
    for (; *message; message++)
        if ((unsigned char)*message < 0x20 || *message == 0x7F) *message = '?';
}

eng_status eng_fail(eng_error *err, eng_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    make_one_line(err->message);
    err->status = status;
    return status;
}

eng_status eng_fail_prefix(eng_error *err, const char *format, ...)
{
    if (!err) return ENG_E_USAGE;
    char rest[sizeof err->message];
    memcpy(rest, err->message, sizeof rest);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", rest);
    return err->status;
}
