#include <stdlib.h>
#include <string.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/text.h"
#include "tools/common/segments/time.h"

enum { FIELDS = 10 };

static const char *const other_types[] = {"SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER",
                                          "EDIT",    "IP",      "SU",             "CB",     "A/P",     "SPKR-INFO"};

static bool is_other_type(const char *type)
{
    for (size_t i = 0; i < sizeof other_types / sizeof *other_types; i++)
        if (strcmp(type, other_types[i]) == 0) return true;
    return false;
}

/* Cuts the line into fields in place; returns how many there are, at most FIELDS. */
static size_t split(char *line, char **field)
{
    size_t n = 0;
    while (n < FIELDS) {
        line += strspn(line, " \t");
        if (!*line) break;
        field[n++] = line;
        line += strcspn(line, " \t");
        if (*line) *line++ = 0;
    }
    return n;
}

static bool is_absent(const char *field)
{
    return strcmp(field, "<NA>") == 0;
}

static eng_status read_time(const tool_segment_set *set, size_t line, const char *name, const char *field, double *seconds,
                            eng_error *err)
{
    tool_time found = strpbrk(field, ":,") ? TOOL_TIME_BAD : tool_time_parse(field, seconds);
    if (found == TOOL_TIME_OK) return ENG_OK;
    return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: %s: expected seconds, found '%.40s'%s", set->path, line, name, field,
                    found == TOOL_TIME_NEGATIVE ? ", which is negative" : "");
}

static eng_status add_line(tool_segment_set *set, size_t line, char *const *field, eng_error *err)
{
    double duration = 0;
    tool_segment s = {.line = line, .recording = field[1], .text = "", .channel = TOOL_SEGMENT_NO_CHANNEL};
    s.speaker = is_absent(field[7]) ? "" : field[7];
    if (!is_absent(field[2])) {
        if (strspn(field[2], "0123456789") != strlen(field[2]) || strlen(field[2]) > 4)
            return eng_fail(err, ENG_E_FORMAT, "%s: line %zu: channel: expected a number, from 1, found '%.40s'", set->path,
                            line, field[2]);
        unsigned long channel = strtoul(field[2], NULL, 10);
        if (channel) s.channel = channel - 1;
    }
    eng_status status = read_time(set, line, "start", field[3], &s.start, err);
    if (!status) status = read_time(set, line, "duration", field[4], &duration, err);
    s.end = s.start + duration;
    return status ? status : tool_segment_set_add(set, s, err);
}

eng_status tool_segments_read_rttm(tool_segment_set *set, eng_error *err)
{
    tool_lines lines = {.at = set->text, .end = set->text + set->size};
    eng_status status = ENG_OK;
    char *line, *field[FIELDS];
    set->names_recordings = true;
    while (!status && (line = tool_lines_next(&lines))) {
        size_t n = split(line, field);
        if (!n || field[0][0] == ';') continue;
        if (is_other_type(field[0])) {
            set->skipped++;
        } else if (strcmp(field[0], "SPEAKER") != 0) {
            status = eng_fail(err, ENG_E_FORMAT, "%s: line %zu: expected a type of RTTM such as SPEAKER, found '%.40s'",
                              set->path, lines.line, field[0]);
        } else if (n < 8) {
            status = eng_fail(err, ENG_E_FORMAT,
                              "%s: line %zu: %zu fields, expected SPEAKER, file, channel, start, duration, <NA>, <NA>, speaker",
                              set->path, lines.line, n);
        } else {
            status = add_line(set, lines.line, field, err);
        }
    }
    return status;
}
