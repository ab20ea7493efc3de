#include "tools/common/segments/read.h"

#include <string.h>
#include <strings.h>

#include "tools/common/segments/readers.h"
#include "tools/common/segments/text.h"
#include "tools/common/segments/time.h"

typedef enum kind { KIND_UNKNOWN, KIND_CSV, KIND_TSV, KIND_RTTM, KIND_LABELS, KIND_TEXTGRID, KIND_VTT, KIND_SRT } kind;

static const struct {
    const char *ending;
    kind kind;
} endings[] = {{"csv", KIND_CSV}, {"tsv", KIND_TSV}, {"rttm", KIND_RTTM},  {"TextGrid", KIND_TEXTGRID},
               {"vtt", KIND_VTT}, {"srt", KIND_SRT}, {"txt", KIND_UNKNOWN}};
enum { ENDINGS = sizeof endings / sizeof *endings };

/* Index into endings; ENDINGS when the name has none of them. */
static size_t ending_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    size_t i = 0;
    while (i < ENDINGS && !(dot && strcasecmp(dot + 1, endings[i].ending) == 0)) i++;
    return i;
}

bool tool_segments_is_name(const char *name)
{
    return ending_of(name) < ENDINGS;
}

static bool is_time(const char *text, size_t size)
{
    char copy[64];
    double seconds;
    if (size >= sizeof copy) return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    return tool_time_parse(copy, &seconds) == TOOL_TIME_OK;
}

static bool has_arrow(const char *line)
{
    const char *arrow = strstr(line, "-->");
    return arrow && arrow < line + strcspn(line, "\r\n");
}

/* By the first line that is not empty, and for SRT the one behind it. */
static kind guess(const char *text)
{
    static const char *const rttm[] = {"SPEAKER ", "SPKR-INFO ", "LEXEME ", "SEGMENT ", "NON-SPEECH ", ";;"};
    const char *line = text + strspn(text, " \t\r\n");
    size_t n = strcspn(line, "\r\n"), tab = strcspn(line, "\t\r\n");
    const char *second = line + n + strspn(line + n, "\r\n");
    if (strncmp(line, "WEBVTT", 6) == 0) return KIND_VTT;
    const char *praat = strstr(line, "\"ooTextFile");
    if (praat && praat < line + n) return KIND_TEXTGRID;
    for (size_t i = 0; i < sizeof rttm / sizeof *rttm; i++)
        if (strncmp(line, rttm[i], strlen(rttm[i])) == 0) return KIND_RTTM;
    if (tab < n && is_time(line, tab)) return KIND_LABELS;
    if (has_arrow(line) || (strspn(line, "0123456789 ") == n && has_arrow(second))) return KIND_SRT;
    if (tab < n) return KIND_TSV;
    return memchr(line, ',', n) ? KIND_CSV : KIND_UNKNOWN;
}

static eng_status read_as(kind k, tool_segment_set *set, eng_error *err)
{
    switch (k) {
    case KIND_CSV: return tool_segments_read_table(set, ',', err);
    case KIND_TSV: return tool_segments_read_table(set, '\t', err);
    case KIND_RTTM: return tool_segments_read_rttm(set, err);
    case KIND_LABELS: return tool_segments_read_labels(set, err);
    case KIND_TEXTGRID: return tool_segments_read_textgrid(set, err);
    case KIND_VTT: return tool_segments_read_cues(set, true, err);
    case KIND_SRT: return tool_segments_read_cues(set, false, err);
    default: break;
    }
    return eng_fail(err, ENG_E_FORMAT,
                    "%s: no format of segments that is known here: CSV or TSV with a header, RTTM, Audacity's labels, "
                    "TextGrid, WebVTT or SRT",
                    set->path);
}

/* A file without anything in it has no segments, whatever its format; a table has its header at least. */
static eng_status parse(tool_segment_set *set, eng_error *err)
{
    eng_status status = tool_segment_text_decode(set->path, &set->text, &set->size, err);
    if (status) return status;
    size_t ending = ending_of(set->path);
    kind k = ending < ENDINGS ? endings[ending].kind : KIND_UNKNOWN;
    if (k == KIND_UNKNOWN && set->text[strspn(set->text, " \t\r\n")]) k = guess(set->text);
    else if (k == KIND_UNKNOWN) k = KIND_LABELS; /* Audacity's, without a label */
    status = read_as(k, set, err);
    if (!status) tool_segment_set_group(set);
    return status;
}

static void begin(tool_segment_set *set, const char *path)
{
    *set = (tool_segment_set){.path = path};
    eng_arena_init(&set->strings);
}

eng_status tool_segment_set_parse(const char *path, char *text, size_t size, tool_segment_set *set, eng_error *err)
{
    begin(set, path);
    set->text = text;
    set->size = size;
    return parse(set, err);
}

eng_status tool_segment_set_read(const char *path, tool_segment_set *set, eng_error *err)
{
    begin(set, path);
    eng_status status = tool_segment_text_read(path, &set->text, &set->size, err);
    return status ? status : parse(set, err);
}
