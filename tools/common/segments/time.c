#include "tools/common/segments/time.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 60 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes a decimal number off *text, with exponent where that is allowed. */
static bool take_number(const char **text, bool exponent, double *value)
{
    char copy[MAX_DIGITS + 1];
    size_t n = 0;
    bool digits = false, point = false;
    const char *p = *text;
    for (; n < MAX_DIGITS; p++) {
        if (is_digit(*p)) {
            digits = true;
        } else if ((*p == '.' || *p == ',') && !point && is_digit(p[1])) {
            point = true;
        } else {
            break;
        }
        copy[n++] = *p == ',' ? '.' : *p;
    }
    if (!digits || n == MAX_DIGITS) return false;
    if (*p == '.') p++; /* "12." */
    if (exponent && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1 + (p[1] == '-' || p[1] == '+');
        if (!is_digit(*q)) return false;
        for (q = p; (q < p + 2 || is_digit(*q)) && n < MAX_DIGITS; q++) copy[n++] = *q;
        if (n == MAX_DIGITS) return false;
        p = q;
    }
    copy[n] = 0;
    *value = strtod(copy, NULL);
    *text = p;
    return true;
}

/* Takes whole digits off *text; false when there are none or very many. */
static bool take_whole(const char **text, double *value)
{
    size_t n = strspn(*text, "0123456789");
    if (!n || n > 9) return false;
    *value = strtod(*text, NULL);
    *text += n;
    return true;
}

/* Takes [H:]MM:SS[.fraction] off *text; the first part may have any number of digits, the others have two. */
static bool take_clock(const char **text, double *seconds)
{
    double part, sum;
    if (!take_whole(text, &sum) || **text != ':') return false;
    for (;;) {
        const char *begin = ++*text;
        if (strspn(begin, "0123456789") != 2) return false;
        if (begin[2] == ':' && sum < 1e9) {
            if (!take_whole(text, &part) || part >= 60) return false;
            sum = sum * 60 + part;
            if (strchr(begin + 3, ':')) return false;
            continue;
        }
        if (!take_number(text, false, &part) || part >= 60) return false;
        *seconds = sum * 60 + part;
        return true;
    }
}

static const char *skip_spaces(const char *p)
{
    while (isspace((unsigned char)*p)) p++;
    return p;
}

/* Behind a number of days: "day", "days", and perhaps a clock. */
static bool take_days(const char **text, double days, double *seconds)
{
    const char *p = skip_spaces(*text);
    double clock = 0;
    if (strncmp(p, "day", 3) != 0) return false;
    p += 3 + (p[3] == 's');
    if (*p == ',') p++;
    p = skip_spaces(p);
    if (*p == '+') p++;
    if (*p && !take_clock(&p, &clock)) return false;
    *seconds = days * 86400 + clock;
    *text = p;
    return true;
}

tool_time tool_time_parse(const char *text, double *seconds)
{
    const char *p = skip_spaces(text), *begin;
    double value, days;
    if (!*p) return TOOL_TIME_NONE;
    if (strncmp(p, "NaT", 3) == 0 && !*skip_spaces(p + 3)) return TOOL_TIME_NONE;
    const bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    begin = p;
    if (take_whole(&p, &days) && take_days(&p, days, &value)) {
        /* done */
    } else {
        p = begin;
        if (!take_clock(&p, &value)) {
            p = begin;
            if (!take_number(&p, true, &value)) return TOOL_TIME_BAD;
        }
    }
    if (*skip_spaces(p)) return TOOL_TIME_BAD;
    if (negative && value > 0) return TOOL_TIME_NEGATIVE;
    *seconds = value;
    return TOOL_TIME_OK;
}
